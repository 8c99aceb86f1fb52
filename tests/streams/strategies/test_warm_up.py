"""A new live run begins with the trades before it, on a real Kafka, Postgres and engine."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from confluent_kafka import Producer
from msgspec import field

from engine import messages, topics
from engine.client import Client
from engine.messages import DefineAccount, as_json
from streams.backtest.topics import records
from streams.strategies.events import Bar
from streams.strategies.runner import Runner
from streams.strategies.strategy import Strategy, Symbol, parameters
from tests.engine.doors import AAPL, open_engine, token
from tests.streams import servers

S = 10**9
RUN = "warm"


class Warm(Strategy):
    class Parameters(Strategy.Parameters):
        symbol: Symbol

    class State(Strategy.State):
        closes: list[float] = field(default_factory=list)

    @property
    def warm_up(self) -> int:
        return 4

    @property
    def bar_seconds(self) -> int:
        return 1

    def on_bar(self, bar: Bar) -> None:
        self.state.closes.append(bar.close)
        self.desk.buy(bar.symbol, 1)


@pytest.fixture
def bootstrap(kafka: str) -> str:
    servers.fresh_topics(kafka)
    return kafka


@pytest.fixture
def dsn(postgres_dsn: str) -> Iterator[str]:
    with servers.fresh_database(postgres_dsn, "warm_test") as own:
        yield own


def trade(seq: int, ts_ns: int, price: int) -> messages.Trade:
    return messages.Trade(
        trade_id=f"{seq}", seq=seq, index=0, ts_ns=ts_ns, transact_ns=0, symbol="AAPL", price=f"{price}", quantity="1",
        aggressor_side="buy", hidden=False,
    )  # fmt: skip


def candle(connection: psycopg.Connection, start_ns: int) -> None:
    connection.execute(
        "INSERT INTO candles (symbol, interval_s, start_ns, open, high, low, close, volume, turnover, vwap, trades,"
        " closed, last_seq, last_index, ts_ns, timestamp)"
        " VALUES ('AAPL', 1, %s, 1, 1, 1, 1, 1, 1, 1, 1, true, 1, 0, 0, %s)",
        (start_ns, datetime.fromtimestamp(start_ns // S, UTC)),
    )


def wait_for(condition: Callable[[], Any]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "it did not happen"


def test_a_new_run_begins_with_the_bars_before_it(bootstrap: str, dsn: str, tmp_path: Path) -> None:
    now_s = time.time_ns() // S
    producer = Producer({"bootstrap.servers": bootstrap})

    def publish(record: messages.Trade) -> None:
        stamp = record.ts_ns // 1_000_000
        producer.produce(topics.TRADES.name, as_json(record), key="AAPL", timestamp=stamp)
        producer.flush()

    with psycopg.connect(dsn, autocommit=True) as connection:
        for k in range(10):
            second = now_s - 10 + k
            for part in (1, 2):
                publish(trade(2 * k + part, second * S + part * S // 4, 100 + 2 * k + part))
            candle(connection, second * S)

    with open_engine(tmp_path / "journal") as (server, address), Client(address, token()) as client:
        client.administer(AAPL)
        client.administer(DefineAccount(account="me", deposit=Decimal(1_000_000)))
        session = client.connect()
        producer.produce(topics.INSTRUMENTS.name, as_json(session.instruments[0]), key="AAPL", partition=0)
        producer.flush()
        before = server._core.last_seq

        def runner() -> Runner:
            return Runner(
                bootstrap, client, Warm, parameters(Warm, {"symbol": "AAPL"}), strategy="warm", run=RUN, account="me",
                cash=Decimal(1000), stop=threading.Event(), dsn=dsn,
            )  # fmt: skip

        first = runner()
        state: Any = first.session.running.strategy.state
        # The trades of the last four seconds: of the fourth none shows yet that it is over.
        assert state.closes == [114, 116, 118]
        assert first.session.running.desk.held_back == 3
        assert server._core.last_seq == before, "nothing is sent on history"
        given = [one for one in records(bootstrap, topics.STRATEGY_EVENTS, messages.StrategyEvent) if one.run == RUN]
        assert [one.event["seq"] for one in given[1:]] == list(range(13, 21))
        first.close()

        again = runner()
        state = again.session.running.strategy.state
        assert state.closes == [114, 116, 118], "what was written down is given again, once"
        publish(trade(21, now_s * S, 200))
        wait_for(lambda: (again.step(), len(state.closes) == 4)[1])
        assert state.closes[-1] == 120, "nothing is missing between history and what follows"
        assert server._core.last_seq == before
        publish(trade(22, (now_s + 1) * S, 201))
        wait_for(lambda: (again.step(), len(state.closes) == 5)[1])
        assert server._core.last_seq == before + 1, "the fifth bar is the first on which an order goes out"
        again.close()
