"""A log whose beginning is gone: what would have to count from there says so, and counts nothing wrong."""

from __future__ import annotations

import time

import pytest
from confluent_kafka import TopicPartition

from engine.topics import FILLS, TRADES
from infra import kafka, recorded
from infra.errors import OperatorError
from streams import state
from streams.agents.candles import CandleKeeper
from streams.agents.positions import PositionKeeper
from streams.consumer import LogMismatch, log_bounds
from streams.marks import Follower
from streams.outbox import Outbox


def test_what_counts_from_the_first_record_refuses_half_a_log(topics: str) -> None:
    recorded._refuse_half_a_log(topics)
    outbox = Outbox(topics, "let-go")
    for topic in (FILLS, TRADES):
        for _ in range(3):
            outbox.send(topic.name, "AAPL", b"{}", 0)
    outbox.delivered()
    gone = [TopicPartition(topic.name, 0, 2) for topic in (FILLS, TRADES)]
    admin = kafka.admin_client(topics)
    for future in admin.delete_records(gone).values():
        future.result(30)
    assert log_bounds(topics, [FILLS.name])[FILLS.name, 0] == (2, 3)
    follower = Follower(topics, outbox, "mid")
    positions = PositionKeeper(topics, outbox, follower, time.monotonic)
    with pytest.raises(LogMismatch, match="fills/0 begins at offset 2 and `positions` has no state"):
        positions._load({0})
    assert positions._load({1})[1].next_offset == 0
    candles = CandleKeeper(topics, outbox, follower, time.monotonic)
    assert candles._load({0})[0].next_offset == 2
    for keeper, read in ((candles, 1), (positions, 2)):
        state.save(outbox, keeper._state_count, keeper.agent, 0, read, keeper.output, [])
    outbox.delivered()
    assert candles._load({0})[0].next_offset == 2, "bars of what it has not read are lost"
    assert positions._load({0})[0].next_offset == 2
    state.save(outbox, positions._state_count, positions.agent, 0, 1, positions.output, [])
    outbox.delivered()
    with pytest.raises(LogMismatch, match="fills/0 begins at offset 2 and `positions` had read to 1"):
        positions._load({0})
    with pytest.raises(OperatorError, match=r"^(fills|trades)/0 begins at offset 2: what came before has been let go"):
        recorded._refuse_half_a_log(topics)
    outbox.close()
