"""The rolling hash over the records of a partition: what it is at an offset says all about the records before it."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

BYTES: Final = 16
START: Final = bytes(BYTES)
"""Before the first record."""
_lengths: Final = struct.Struct("<II").pack


def chained(before: bytes, key: bytes, value: bytes) -> bytes:
    """The hash after one more record: BLAKE2b-128 over the hash before it, the lengths of key and value (32 bits each,
    little endian), the key and the value. Headers and times are not in it."""
    return blake2b(before + _lengths(len(key), len(value)) + key + value, digest_size=BYTES).digest()


def chained_all(before: bytes, keys: Sequence[bytes], values: Sequence[bytes]) -> bytes:
    """The hash after so many more records: `chained` of one after the other."""
    for key, value in zip(keys, values, strict=True):
        link = before + _lengths(len(key), len(value)) + key + value
        before = blake2b(link, digest_size=BYTES).digest()
    return before
