"""Statistics on predictions. Knows only tables of predictions; imports no torch."""
