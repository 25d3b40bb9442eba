"""A bundle behind HTTP: uploads that are not trusted, limits, and answers in JSON."""
