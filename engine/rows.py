"""Arrays of records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def joined(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """One array of records of the same kind. `np.concatenate` takes 20 to 70 µs to find that out from their fields."""
    if len(parts) == 1:
        return parts[0]
    return np.frombuffer(bytearray(b"".join([part.tobytes() for part in parts])), parts[0].dtype)
