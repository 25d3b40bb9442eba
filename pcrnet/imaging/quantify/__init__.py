"""Named, unit-bearing measurements of a patient, for any set of channels and visits."""
