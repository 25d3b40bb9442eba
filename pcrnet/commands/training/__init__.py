"""Commands that train: one experiment or many."""
