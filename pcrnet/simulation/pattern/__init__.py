"""A second world: response lies in the pattern of what is left, not in its amount."""
