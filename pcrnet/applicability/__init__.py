"""Whom a model can answer for: what its training patients were like, and how sure it can be."""
