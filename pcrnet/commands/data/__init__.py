"""Commands that make, read and check scans and cohorts."""
