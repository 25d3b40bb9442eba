"""Arithmetic on the voxels of an array that knows neither place nor unit."""
