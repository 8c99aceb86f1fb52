"""The engine and its reference answer the same commands with the same bits, and are in the same state afterwards.

Random orders, changes, repeats and administrative commands, about one in ten of them wrong (`order_flow`). How many the
long stream has says `HFT_STREAM_COMMANDS`; `fuzz.py` runs any number of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import crowds
import numpy as np
import order_flow
import pytest
import small_exchange
from census import Census
from compare import carry_out, compare, compare_stream, one, same
from cramped import cramped
from order_flow import Batch
from small_exchange import command
from twins import LongStream, twins

from engine.core import Core
from engine.words import CommandType

ALL_LEVELS = 1 << 18
DEFAULT_COMMANDS = 60_000
"""What fits in about a minute, with all that is checked on the way."""


@pytest.mark.parametrize(
    ("seed", "room"),
    [
        (1, {"max_orders": 1000}),
        (2, {"max_orders": 1000, "max_client_ids": 1001}),
        (3, {"max_orders": 120, "max_client_ids": 500}),
        (4, {"max_orders": 60, "max_client_ids": 61}),
        (5, {"max_orders": 10, "max_client_ids": 100}),
        (6, {"max_orders": 1, "max_client_ids": 2}),
    ],
    ids=str,
)
def test_after_every_command(seed: int, room: dict[str, int]) -> None:
    fast, slow, seq = twins(**room)
    assert compare_stream(fast, slow, order_flow.stream(seed, 2_500, seq, most=1)) is None


@pytest.mark.timeout(3_600)
def test_long_streams() -> None:
    """Whatever differs is printed with the seed of its stream."""
    long = LongStream()
    long.run(int(os.environ.get("HFT_STREAM_COMMANDS", DEFAULT_COMMANDS)))
    assert long.trades > long.commands / 30


def test_a_stream_holds_everything_that_can_happen(record_property: pytest.RecordProperty) -> None:
    """Otherwise the comparison would pass over what never happens."""
    census = Census()
    for seed in (4, 0):
        fast, _, seq = twins(max_orders=60, max_client_ids=500)
        for batch in order_flow.stream(seed, 60_000, seq):
            applied = carry_out(fast, batch)
            census.read(applied.reports, applied.replies, batch.command)
    record_property("census", census.table())
    print(f"\n{census.table()}")  # noqa: T201 - how often each thing happened: pytest -s
    assert census.missing() == []


def test_the_same_seed_gives_the_same_stream() -> None:
    streams = [list(order_flow.stream(seed, 500, 10)) for seed in (1, 1, 2)]
    text = [[(batch.records.tobytes(), repr(batch.command)) for batch in stream] for stream in streams]
    assert text[0] == text[1] != text[2]


def test_every_level_of_a_wide_band() -> None:
    fast, slow, seq = twins(max_orders=100)
    ladder = crowds.ladder(seq)
    for start in range(len(ladder)):
        assert compare(fast, slow, ladder[start : start + 1]) is None
    assert [len(side) for side in fast.depth(2, ALL_LEVELS)] == [0, 0]
    assert fast.last_price(2) == ladder["limit_price"].max(), (
        "the sellers came last, and the dearest of them at the end"
    )


def _batches(records: Any, rng: np.random.Generator) -> Iterator[Batch]:
    """The same commands in batches of any size, which no list is spread over."""
    start = 0
    while start < len(records):
        end = min(len(records), start + int(rng.integers(1, 60)))
        while end < len(records) and records["flags"][end - 1] & 0x30:
            end += 1
        yield one(records[start:end])
        start = end


@pytest.mark.parametrize("seed", [1, 2])
def test_batches_of_any_size_are_the_same_commands(seed: int) -> None:
    single, _, seq = twins(max_orders=100, max_client_ids=400)
    many, _, _ = twins(max_orders=100, max_client_ids=400)
    rng = np.random.default_rng(seed)
    for batch in order_flow.stream(seed, 6_000, seq, most=500):
        whole = carry_out(single, batch)
        parts = [batch] if batch.command is not None else list(_batches(batch.records, rng))
        answers = [carry_out(many, part) for part in parts[:1]]
        reports, replies = [answers[0].reports.copy()], [answers[0].replies.copy()]
        for part in parts[1:]:
            applied = carry_out(many, part)
            reports.append(applied.reports.copy())
            replies.append(applied.replies.copy())
        assert same(whole.reports, np.concatenate(reports))
        assert same(whole.replies, np.concatenate(replies))
    assert single.state_hash() == many.state_hash()


def test_more_reports_than_there_was_room_for() -> None:
    """Orders that trade with thousands, stops that thousands wait for, one account that cancels as many, and all of it
    in one batch."""
    count = 6_000
    fast, slow, seq = twins(max_orders=3 * count)
    sweeps = crowds.sweep(count, seq)
    stops = crowds.stops(count, seq + 4 * count)
    resting = crowds.sweep(count, seq + 6 * count)[:count]
    cancel = command(seq + 8 * count, CommandType.CANCEL_ALL, account=1)
    assert compare(fast, slow, np.concatenate([sweeps, stops, resting, cancel])) is None


def test_administrative_commands_with_more_reports_than_there_was_room_for() -> None:
    fast, slow, seq = twins(max_orders=20_000)
    assert compare_stream(fast, slow, crowds.commands(6_000, seq)) is None


@pytest.mark.parametrize("seed", [21, 22])
def test_commands_go_on_where_the_room_ran_out(seed: int) -> None:
    """What was done by then is not done again, and nothing is left out."""
    fast, (_, slow, seq) = cramped(Core)(max_orders=150), twins(max_orders=150)
    small_exchange.define(fast)
    assert compare_stream(fast, slow, order_flow.stream(seed, 6_000, seq, most=40)) is None
    assert compare_stream(fast, slow, crowds.commands(40, seq + 20_000)) is None
    directed = (crowds.sweep(60, seq + 30_000), crowds.stops(60, seq + 31_000))
    assert all(compare(fast, slow, records) is None for records in directed)


def test_the_same_commands_give_the_same_state() -> None:
    """Equal after the same commands, and not before."""
    engines: list[Core] = [twins(max_orders=100)[0] for _ in range(2)]
    seq = twins(max_orders=100)[2]
    batches = list(order_flow.stream(11, 3_000, seq))
    for engine in engines:
        for batch in batches[:-1]:
            carry_out(engine, batch)
    carry_out(engines[0], batches[-1])
    assert engines[0].state_hash() != engines[1].state_hash()
    carry_out(engines[1], batches[-1])
    assert engines[0].state_hash() == engines[1].state_hash()
