"""Where the curves of a run go: one sink a kind of logger."""
