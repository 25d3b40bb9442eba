"""Public data sets and DICOM trees as a cohort table, and what of them could not be mapped."""
