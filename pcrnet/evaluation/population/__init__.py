"""Who the patients are, beside what was predicted of them."""
