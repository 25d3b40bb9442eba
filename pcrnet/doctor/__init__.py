"""Before the first step: what a run needs, what there is, and whether it computes right here."""
