"""Fields read as columns, and plain rows, compared with the slow way to say it."""

from __future__ import annotations

import numpy as np
import pytest

from engine.columns import Columns
from engine.layout import COMMAND, REPORT
from engine.record_bytes import ASKED, REPORTED
from engine.units import LARGEST


def noise(record: np.dtype, count: int, seed: int) -> np.ndarray:
    octets = np.random.default_rng(seed).integers(0, 256, count * record.itemsize, np.uint8)
    return octets.view(record)


@pytest.mark.parametrize(("columns", "record"), [(ASKED, COMMAND), (REPORTED, REPORT)])
def test_every_integer_field_is_read_as_numpy_reads_it(columns: Columns, record: np.dtype) -> None:
    rows = noise(record, 500, 1)[::2]  # not contiguous
    numbers = columns.read(rows)
    read = [name for name in columns.place if name in record.fields and record.fields[name][0].kind in "iu"]
    assert len(read) > 15
    for name in read:
        assert numbers[columns.place[name]].tolist() == rows[name].astype(np.int64).tolist(), name


def test_a_row_is_plain_as_its_numbers_say_one_by_one() -> None:
    rng = np.random.default_rng(2)
    place, count = REPORTED.place, 4000
    numbers = rng.integers(0, 3, (len(place), count))
    for name, strange in (
        ("instrument", (3, -1, 1 << 40)),
        ("account", (3, -1)),
        ("quantity", (-1, LARGEST, LARGEST + 1)),
        ("last_price", (LARGEST, LARGEST + 1)),
        ("fee", (-5, -(2**63) + 1, -(2**63))),
        ("seq", (-1,)),
    ):
        chosen = rng.random(count) < 0.05
        numbers[place[name], chosen] = rng.choice(strange, chosen.sum())
    exact = np.array([False, True, True])
    plain, found = REPORTED.plain(numbers, exact, 2)
    sized = ("quantity", "display_quantity", "limit_price", "stop_price", "trail_amount")
    sized += ("filled", "leaves", "last_quantity", "last_price")

    def is_plain(row: dict[str, int]) -> bool:
        return (
            all(value >= 0 for name, value in row.items() if name != "fee")
            and row["fee"] != -(2**63)
            and row["instrument"] in (1, 2)
            and row["account"] <= 2
            and all(row[name] <= LARGEST for name in sized)
        )

    wanted = [is_plain(dict(zip(place, column, strict=True))) for column in numbers.T.tolist()]
    assert plain.tolist() == wanted
    assert found == sum(wanted)
    assert 500 < found < 3900
