"""Commands for a bundle and whoever uses it."""
