"""Arrays handed to compiled code by their addresses."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
import pytest

from engine.core import Core
from engine.jit import COMPILED, addresses, as_bytes, as_words, opener
from engine.layout import COMMAND, REPLY

pytestmark = pytest.mark.skipif(not COMPILED, reason="NUMBA_DISABLE_JIT is set: nothing is compiled")


class Inner(NamedTuple):
    numbers: Any
    records: Any


class Outer(NamedTuple):
    cube: Any
    inner: Inner


def made(size: int) -> Outer:
    cube = np.arange(2 * size * 3, dtype=np.int64).reshape(2, size, 3)
    return Outer(cube, Inner(np.arange(size, dtype=np.uint64), np.zeros((size, 2), REPLY)))


def test_a_tuple_of_arrays_comes_back_from_its_addresses() -> None:
    open_outer = opener(made(1))

    @numba.njit(_nrt=False)
    def change(places: Any) -> int:
        outer = open_outer(places)
        outer.cube[1, outer.cube.shape[1] - 1, 2] = -7
        outer.inner.records["quantity"][outer.inner.records.shape[0] - 1, 1] = outer.inner.numbers[-1]
        return outer.cube.sum()

    for size in (1, 5, 1000):
        here, there = made(size), made(size)
        there.cube[1, size - 1, 2] = -7
        there.inner.records["quantity"][size - 1, 1] = size - 1
        assert change(addresses(here)) == there.cube.sum()
        assert (here.cube == there.cube).all()
        assert (here.inner.records == there.inner.records).all()


def test_records_as_words_and_bytes_are_the_same_memory() -> None:
    records = np.zeros(3, COMMAND)

    @numba.njit(_nrt=False)
    def fill(records: Any) -> int:
        words, octets = as_words(records), as_bytes(records)
        words[1, 0] = 258
        octets[2, 0] = 9
        return words.shape[1] * 1000 + octets.shape[1]

    assert fill(records) == COMMAND.itemsize // 8 * 1000 + COMMAND.itemsize
    assert records["seq"].tolist() == [0, 258, 9]


def test_arrays_that_are_not_in_one_piece_are_refused() -> None:
    with pytest.raises(AssertionError):
        addresses((np.zeros((4, 4), np.int64)[:, :2],))


def test_the_core_follows_its_arrays_when_they_are_others() -> None:
    core = Core(max_orders=10)
    core.compile()
    before = core._places()
    assert core._places() is before
    core._set_reports(1 << 15)
    after = core._places()
    assert after is not before
    assert (before != after).any()
