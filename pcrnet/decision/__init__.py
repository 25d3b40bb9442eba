"""From logits to what ships: calibrators, thresholds and their honest estimate."""
