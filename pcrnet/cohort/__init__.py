"""The cohort table and what it means."""
