"""Splits, datasets and augmentation: what the network is fed."""
