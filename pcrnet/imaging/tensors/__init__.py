"""The tensor and the quantities of a patient: computed once, kept, known by their code."""
