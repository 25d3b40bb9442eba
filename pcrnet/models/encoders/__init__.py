"""Encoders: one visit of one branch in, a grid of feature vectors out."""
