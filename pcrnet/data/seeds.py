"""Random numbers from what they are for, never from how many were drawn before.

A seed made of (run seed, fit, epoch, patient) is the same after an interruption, in any order of
patients and with any number of loader processes.
"""

from __future__ import annotations

import hashlib


def derive_seed(*parts: object) -> int:
    """A 63-bit seed from the parts that name its purpose."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
