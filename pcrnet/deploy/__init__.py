"""The bundle: everything that turns one patient's files into calibrated probabilities."""
