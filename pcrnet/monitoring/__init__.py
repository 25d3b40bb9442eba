"""Watching a bundle in daily use: its inputs, its predictions, and its calibration."""
