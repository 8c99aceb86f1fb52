"""Many records decoded at once are read, and refused, as one by one by their class."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.messages import DECIMAL_PATTERN, DecimalText, Pnl, Record
from engine.topics import BY_NAME
from infra.bench.history_records import ROUND, rounds
from streams.sinks.history import TABLES
from streams.sinks.reading import Reading, are_decimals
from streams.sinks.redis import TOPICS

NUMBERS = st.text("0123456789", min_size=1, max_size=4) | st.sampled_from(["-1", "0.50", "-12.25", "00.0"])
ODD = st.sampled_from(
    ["", "-", ".5", "1.", "1,2", "1,", ",", "1\n", "NaN", "Infinity", "1e5", "+1", " 1", "1_0", "١", "--1"]
)
TEXTS = NUMBERS | ODD


class Two(Record, kw_only=True, frozen=True):
    name: str
    price: DecimalText
    fee: DecimalText | None = None
    marks: dict[str, DecimalText] = msgspec.field(default_factory=dict)


@given(st.lists(TEXTS | st.none(), max_size=6))
def test_decimals_are_what_their_pattern_matches(texts: list[str | None]) -> None:
    expected = all(re.search(DECIMAL_PATTERN, text) for text in texts if text is not None)
    assert are_decimals(texts) == expected


PARTS = st.fixed_dictionaries(
    {"name": st.sampled_from(["a", "é"]) | st.integers(0, 1), "price": TEXTS},
    optional={"fee": TEXTS | st.none(), "marks": st.dictionaries(st.just("b"), TEXTS), "v": st.just(2), "x": NUMBERS},
)


@given(st.lists(PARTS.map(msgspec.json.encode) | st.sampled_from([b"", b"{}", b"[", b'{"name":"\xff"}']), max_size=5))
def test_reads_and_refuses_as_the_class_does(values: list[bytes]) -> None:
    records, refused = Reading(Two).read(values)
    assert len(records) == len(values)
    for number, value in enumerate(values):
        expected, error = decoded(value)
        assert refused.get(number) == error
        assert fields(records[number]) == fields(expected)


def decoded(value: bytes) -> tuple[Two | None, str | None]:
    """The record, and what its class says against it."""
    try:
        return msgspec.json.decode(value, type=Two), None
    except ValueError as error:
        return None, str(error)


def fields(record: Any) -> dict[str, Any] | None:
    return None if record is None else msgspec.structs.asdict(record)


def test_a_record_with_one_decimal() -> None:
    class One(Record, kw_only=True, frozen=True):
        price: DecimalText

    records, refused = Reading(One).read([b'{"price":"1"}', b'{"price":"x"}'])
    assert (records[0].price, records[1], list(refused)) == ("1", None, [1])


def test_a_mark_inside_is_matched_too() -> None:
    value = next(value for topic, _, value in rounds(0, 1) if topic == "pnl")
    bad = value.replace(b'"unrealized_pnl":"3.5"}', b'"unrealized_pnl":"3,5"}')
    assert bad != value
    records, refused = Reading(Pnl).read([value, bad])
    assert records[0].marks["AAPL"].unrealized_pnl == "3.5"
    assert list(refused) == [1]


@pytest.mark.parametrize("topic", sorted({*TABLES, *TOPICS}))
def test_every_topic_of_a_sink_can_be_read(topic: str) -> None:
    record: Any = BY_NAME[topic].record
    values = [value for name, _, value in rounds(0, 50) if name == topic]
    assert bool(values) == (topic in ROUND)
    records, refused = Reading(record).read(values)
    assert refused == {}
    for found, value in zip(records, values, strict=True):
        assert fields(found) == fields(msgspec.json.decode(value, type=record))
