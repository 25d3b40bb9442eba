import numpy as np

from pcrnet.imaging.voxels.boxes import box_around


def test_the_box_holds_the_mask_and_no_plane_more():
    mask = np.zeros((9, 8, 7), bool)
    mask[2, 3, 4] = mask[5, 3, 1] = True
    assert box_around(mask) == (slice(2, 6), slice(3, 4), slice(1, 5))


def test_a_margin_ends_where_the_array_does():
    mask = np.zeros((9, 8), bool)
    mask[1, 7] = True
    assert mask[box_around(mask, margin=3)].shape == (5, 4)
    assert mask[box_around(mask, margin=3)][1, 3]
