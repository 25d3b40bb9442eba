"""A bundle as one graph that other programs run, with a contract and proof that it agrees."""
