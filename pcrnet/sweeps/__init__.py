"""Many experiments side by side: proposed, shared out between workers, judged, compared."""
