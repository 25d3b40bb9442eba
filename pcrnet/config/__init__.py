"""Settings: the sections of an experiment, and how they are read."""
