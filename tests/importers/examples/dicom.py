"""A listing that a person has looked through, and the tree that it is of: two visits of a T2."""

from pcrnet.importers.dicom_tree import list_dicom_tree


def write(folder, make):
    for day, name in ((3, "a"), (1, "b")):
        tags = {"StudyDate": f"1993010{day}", "StudyInstanceUID": f"1.2.{day}"}
        make.mr(folder / "tree" / name / "1", SeriesDescription="t2_tse", **tags)
    listing = folder / "series.csv"
    list_dicom_tree(folder / "tree", listing, timepoints=("before", "after"))
    return listing
