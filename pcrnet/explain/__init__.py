"""Why a patient was predicted as she was: what each measurement adds, and where it lies."""
