"""Commands that judge what was predicted."""
