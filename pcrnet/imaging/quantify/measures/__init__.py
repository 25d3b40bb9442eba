"""What is measured inside the regions of a visit, one subject a module."""
