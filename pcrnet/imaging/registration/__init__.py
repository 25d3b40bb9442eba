"""The visits of one patient brought onto each other."""
