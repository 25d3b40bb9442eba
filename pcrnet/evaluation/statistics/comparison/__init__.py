"""Two or more models on the same patients, and one model at several sites."""
