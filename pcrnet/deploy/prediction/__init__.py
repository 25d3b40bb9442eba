"""What a bundle says of patients, and what it says beside it."""
