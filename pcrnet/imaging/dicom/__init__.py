"""What one DICOM series says and holds, before any unit."""
