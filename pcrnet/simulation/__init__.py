"""The in-silico trial: patients whose true probabilities of response are known."""
