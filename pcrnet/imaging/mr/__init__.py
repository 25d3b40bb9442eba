"""Diffusion, and the phases and kinetics of a dynamic series."""
