"""What is searched and for what, before anything is tried."""
