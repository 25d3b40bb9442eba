"""Which trials come next, which are given up, and what that spared."""
