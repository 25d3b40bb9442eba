"""Statistics on plain arrays; none knows a run, a head or a page."""
