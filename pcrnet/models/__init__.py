"""The dual-branch network: encoders, fusion and the joint outcome head."""
