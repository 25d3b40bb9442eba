"""Whether probabilities mean what they say: curves, errors, proper scores."""
