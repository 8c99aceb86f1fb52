"""Records of one kind in one array."""

from __future__ import annotations

import numpy as np
import pytest

from engine.layout import COMMAND
from engine.rows import joined


@pytest.mark.parametrize("sizes", [(1,), (1, 1), (3, 0, 2), (0,)])
def test_joined_is_concatenate(sizes: tuple[int, ...]) -> None:
    random = np.random.default_rng(sum(sizes))
    parts = [np.frombuffer(random.bytes(size * COMMAND.itemsize), COMMAND) for size in sizes]
    result = joined(parts)
    assert (result.dtype, result.tobytes()) == (COMMAND, np.concatenate(parts).tobytes())
    if len(parts) > 1:
        result["seq"] = 1  # it is the caller's own
