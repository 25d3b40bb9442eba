"""Fits: one at a time, and as the nested cross-validation."""
