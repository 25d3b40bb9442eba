"""Standardised uptake values from what a PET series says."""
