"""When two spellings are one name."""

import pytest

from pcrnet.identity import name_key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ｐ 01", "p01"),  # full-width letter
        ("Mu\u0308ller", "MÜLLER"),
        ("P\u200b01", "P01"),
        ("P01\0", "P01"),
        ("P\u00a001", "P01"),
        ("STRASSE", "straße"),
    ],
)
def test_names_are_compared_without_case_spaces_form_and_what_nobody_sees(one, other):
    assert name_key(one) == name_key(other)


def test_other_names_are_others():
    assert name_key("p01") != name_key("p1")
    assert name_key("北京") != name_key("上海")
