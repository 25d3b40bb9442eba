"""One run from its configuration to its report and bundle."""
