"""Studies of a hospital in, reports that it can archive out."""
