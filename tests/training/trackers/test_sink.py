import pytest

from pcrnet.training.trackers.sink import group_of


@pytest.mark.parametrize(
    ("fit", "group"),
    [
        ("without-0", "fold-0"),
        ("without-0-3", "fold-0"),
        ("without-12-13", "fold-12"),
        ("with-all", "ships"),
        ("repeat-2-without-1-4", "repeat-2-fold-1"),
        ("monai-without-3", "monai-fold-3"),
        ("something else", "other"),
    ],
)
def test_fits_stand_with_the_fold_for_whose_sake_they_are_made(fit, group):
    assert group_of(fit) == group
