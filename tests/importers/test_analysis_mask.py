import numpy as np
import pytest

from pcrnet.errors import DicomFileError, GeometryError, SeriesError
from pcrnet.imaging.reader import read_volume
from pcrnet.importers.analysis_mask import convert_analysis_mask, read_segmentation


def _values():
    values = np.full((4, 6, 8), 9)
    values[1, 2, 3] = 0
    return values


def test_zero_is_lesion_as_published(tmp_path, save_mr, save_mask):
    scan, mask = save_mr(tmp_path / "scan"), save_mask(tmp_path / "mask", _values())
    convert_analysis_mask(mask, scan, tmp_path / "out.nii.gz", lesion="zero")
    volume = read_volume(tmp_path / "out.nii.gz", "mask")
    # Slice 1, row 2, column 3.
    assert np.argwhere(volume.array).tolist() == [[3, 2, 1]]
    convert_analysis_mask(mask, scan, tmp_path / "inverse.nii.gz", lesion="nonzero")
    inverse = read_volume(tmp_path / "inverse.nii.gz", "mask")
    np.testing.assert_array_equal(inverse.array, 1 - volume.array)


def test_fewer_slices_than_the_scan_are_brought_to_its_grid(tmp_path, save_mr, save_mask):
    scan, mask = save_mr(tmp_path / "scan"), save_mask(tmp_path / "mask", _values()[:3])
    convert_analysis_mask(mask, scan, tmp_path / "out.nii.gz", lesion="zero")
    volume = read_volume(tmp_path / "out.nii.gz", "mask")
    assert volume.array.shape == (8, 6, 4)
    assert np.argwhere(volume.array).tolist() == [[3, 2, 1]]


def test_the_wrong_convention_is_noticed_where_nothing_is_left(tmp_path, save_mr, save_mask):
    scan = save_mr(tmp_path / "scan")
    mask = save_mask(tmp_path / "mask", np.full((4, 6, 8), 1))
    with pytest.raises(GeometryError, match="no lesion"):
        convert_analysis_mask(mask, scan, tmp_path / "out.nii.gz", lesion="zero")


def test_a_folder_without_a_segmentation_is_refused(tmp_path, save_mr):
    with pytest.raises(SeriesError, match="0 DICOM segmentations"):
        read_segmentation(save_mr(tmp_path / "scan"))


def test_a_damaged_segmentation_is_refused_by_name(tmp_path, save_mask):
    folder = save_mask(tmp_path / "mask", _values())
    (folder / "1-1.dcm").write_bytes((folder / "1-1.dcm").read_bytes()[:400])
    with pytest.raises(DicomFileError):
        read_segmentation(folder)


def test_the_real_segmentation_of_ucsf_lies_inside_its_scan(test_data):
    folder = test_data / "breast_dce_UCSF-BR-08"
    stored = read_segmentation(folder / "mask.zip")
    assert stored.array.shape == (256, 256, 43)
    assert set(np.unique(stored.array)) == {0, 255}
    np.testing.assert_allclose(stored.spacing_mm, (0.703125, 0.703125, 2.0), atol=1e-6)
