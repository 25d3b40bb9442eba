"""What lies in the folder of a sweep, and who of its workers may write it."""
