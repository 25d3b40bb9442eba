"""NIfTI files and their geometry."""
