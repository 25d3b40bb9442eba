"""Settings of run, data and augmentation: what they refuse."""

import pytest


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("augmentation.flip_probability=1.5", ["augmentation.flip_probability", "found 1.5"]),
        ("run.name=../elsewhere", ["run.name", "../elsewhere"]),
        ("run.name=.hidden", ["run.name"]),
        ("data.timepoints=[a, a]", ["data", "each once"]),
        ("data.branches={pet: [pet], mri: [pet]}", ["one branch only"]),
        ("data.branches={pet: []}", ["branches"]),
        ("data.minimum_scans=13", ["minimum_scans"]),
    ],
)
def test_a_value_out_of_range_names_the_key_and_what_was_found(refusal, override, words):
    text = refusal(override)
    assert all(word in text for word in words)
