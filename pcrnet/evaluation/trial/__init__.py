"""A trial's written rules, and the log of who has opened its test set."""
