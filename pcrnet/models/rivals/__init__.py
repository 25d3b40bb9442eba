"""Models that are not networks: what every network has to beat."""
