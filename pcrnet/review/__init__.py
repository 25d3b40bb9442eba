"""What ``pcrnet check`` shows of a cohort, and everything that draws its scans."""
