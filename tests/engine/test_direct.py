"""Compiled functions that believe their caller."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.direct import direct
from engine.jit import COMPILED, entry
from engine.layout import COMMAND, REPLY


@entry
def last_seq(records: Any, more: int) -> int:
    return np.int64(records["seq"][len(records) - 1]) + more


def test_it_gives_what_the_function_gives() -> None:
    found = direct(last_seq, np.zeros(0, COMMAND), 0)
    records = np.zeros(3, COMMAND)
    records["seq"] = 7, 8, 9
    for count in (1, 2, 3):
        assert found(records[:count], 5) == last_seq(records[:count], 5) == 11 + count


@pytest.mark.skipif(not COMPILED, reason="NUMBA_DISABLE_JIT is set: nothing is compiled")
def test_records_of_another_size_are_refused() -> None:
    found = direct(last_seq, np.zeros(0, COMMAND), 0)
    with pytest.raises(TypeError):
        found(np.zeros(3, REPLY), 5)
