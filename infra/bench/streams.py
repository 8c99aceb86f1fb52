"""`hft bench streams`: fills per second of the streams worker beside Faust agents that do nothing, from a filled topic;
and how long it takes from an order to its position record."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.messages import Account, DefineAccount, Fill, Instrument, NewOrder, as_json
from engine.partitions import partition_of
from engine.topics import ACCOUNTS, FILLS, INSTRUMENTS, ORDERS, POSITIONS, TOPICS
from infra.bench.figures import Figure, Result, middle, quantiles
from infra.bench.hop import Hop
from infra.bench.published import Published, wait_until
from infra.bench.sandbox import Sandbox, sandbox
from infra.bench.topic_orders import producer
from infra.errors import OperatorError
from infra.kafka import admin_client, create_topics
from infra.process import Process, Program
from infra.services import program

HOLDERS: Final = 100
LIMIT_S: Final = 300.0
FLUSH_S: Final = 120.0
SETTLE_S: Final = 5.0
WARM_S: Final = 20
"""Of orders before those that are measured: the broker compiles itself in its first seconds."""
KEPT: Final = (FILLS.name, INSTRUMENTS.name, ACCOUNTS.name)
"""Topics that are filled once; the others are empty at the start of each run."""
START_NS: Final = 1_750_000_000_000_000_000
TAKER: Final = "bench-taker"
MAKER: Final = "bench-maker"
SYMBOL: Final = "BTCUSD"
PRICE: Final = "68000.00"
KINDS: Final = {
    "plain": "Faust agent that does nothing, a record at a time",
    "batch": "Faust agent that does nothing, our batches",
    "worker": "positions, one worker",
    "two": "positions, two workers",
}


class PositionName(msgspec.Struct):
    account: str


_position: Final = msgspec.json.Decoder(PositionName)


def run(fills: int, rounds: int, orders: int, per_second: int, say: Callable[[str], None]) -> Result:
    """`fills` are read from the filled topic by each kind of worker, `rounds` times; then `orders` go through the whole
    path at `per_second`."""
    with sandbox(kafka=True) as place:
        figures = _throughput(place, fills, rounds, say)
    with sandbox(kafka=True) as place:
        figures += _latency(place, orders, per_second, say)
    sizes = {
        "fills in the topic": fills,
        "accounts": HOLDERS,
        "partitions": place.settings.partitions,
        "rounds": rounds,
        "worker": "the whole streams worker: positions, and P&L, candles, order flow and alerts beside them",
        "latency: orders": orders,
        "latency: orders/s": per_second,
        "latency: before it": f"{WARM_S} s of the same",
    }
    return Result("Streams (embedded Kafka, on the same machine)", sizes, figures)


# ---------------------------------------------------------------------------------------------------- throughput


def _throughput(place: Sandbox, fills: int, rounds: int, say: Callable[[str], None]) -> list[Figure]:
    say(f"filling the topic fills: {fills:,} records")
    _fill(place.settings.bootstrap, _records(fills, place.settings.partitions))
    rates: dict[str, list[float]] = {kind: [] for kind in KINDS}
    exact: list[bool] = []
    for turn in range(1, rounds + 1):
        for kind, found in rates.items():
            say(f"round {turn} of {rounds}: {KINDS[kind]}")
            found.append(fills / _seconds(place, kind, fills, turn, exact))
    rate = {kind: middle(found) for kind, found in rates.items()}
    return [
        Figure("each fill made one position record", all(exact)),
        *(Figure(f"fills read by: {KINDS[kind]}", rate[kind], "/s") for kind in ("plain", "batch")),
        *(Figure(f"fills to position records: {KINDS[kind]}", rate[kind], "/s") for kind in ("worker", "two")),
        Figure("one worker to the plain agent that does nothing", _ratio(rates, "worker", "plain"), "×"),
        Figure("one worker to the agent that does nothing with batches", _ratio(rates, "worker", "batch"), "×"),
        Figure("two workers to one", _ratio(rates, "two", "worker"), "×"),
    ]


def _ratio(rates: dict[str, list[float]], part: str, whole: str) -> float:
    """Of each round its own ratio, and their middle: both saw the same machine."""
    return middle([mine / other for mine, other in zip(rates[part], rates[whole], strict=True)])


def _symbols(partitions: int) -> list[str]:
    """One for each partition: several workers find the same work."""
    found: dict[int, str] = {}
    number = 0
    while len(found) < partitions:
        found.setdefault(partition_of(f"S{number}", partitions), f"S{number}")
        number += 1
    return list(found.values())


def _records(count: int, partitions: int) -> Iterator[tuple[str, str, bytes]]:
    """Topic, key and value of the reference data and of the fills, both sides of each trade."""
    symbols = _symbols(partitions)
    for number, symbol in enumerate(symbols, 1):
        instrument = Instrument(
            symbol=symbol,
            instrument_id=number,
            tick_size="0.01",
            lot_size="1",
            price_min="0.01",
            price_max="2000",
            maker_fee_ppm=-20,
            taker_fee_ppm=30,
            currency="USD",
            description="",
            seq=number,
            ts_ns=START_NS,
        )
        yield INSTRUMENTS.name, symbol, as_json(instrument)
    for number in range(HOLDERS):
        account = Account(
            account=f"bench-{number}", account_id=number + 1, currency="USD", deposits="1000000.00", seq=1, ts_ns=1
        )
        yield ACCOUNTS.name, account.account, as_json(account)
    draws = np.random.default_rng(42).integers(0, [HOLDERS, 200, 100], (count, 3)).tolist()
    for number, (holder, away, size) in enumerate(draws):
        seq, buys = 1000 + number // 2, number % 2 == 0
        symbol = symbols[number // 2 % len(symbols)]
        ticks = 20_000 + away
        fill = Fill(
            fill_id=f"0.1.{seq}.{number % 2}",
            trade_id=f"0.1.{seq}.m0",
            seq=seq,
            index=number % 2,
            ts_ns=START_NS + seq * 1_000,
            transact_ns=START_NS + seq * 1_000,
            account=f"bench-{holder}",
            symbol=symbol,
            side="buy" if buys else "sell",
            quantity=str(1 + size),
            price=f"{ticks // 100}.{ticks % 100:02d}",
            fee="0.0123",
            liquidity="taker" if buys else "maker",
            order_id=str(seq),
            client_order_id=f"bench-{seq:08d}",
            strategy=None,
        )
        yield FILLS.name, symbol, as_json(fill)


def _fill(bootstrap: str, records: Iterator[tuple[str, str, bytes]]) -> None:
    sender = producer(bootstrap)
    for topic, key, value in records:
        while True:
            try:
                sender.produce(topic, value, key)
                break
            except BufferError:
                sender.poll(0.1)
    if sender.flush(FLUSH_S):
        raise OperatorError("Kafka did not take all fills")


def _empty(bootstrap: str) -> None:
    """All topics but those that were filled."""
    names = [topic.name for topic in TOPICS if topic.name not in KEPT]
    admin = admin_client(bootstrap)
    for deleted in admin.delete_topics(names, operation_timeout=30).values():
        deleted.result(30)
    wait_until(lambda: not set(names) & admin.list_topics(timeout=10).topics.keys(), "deleting topics", LIMIT_S)


def _seconds(place: Sandbox, kind: str, fills: int, turn: int, exact: list[bool]) -> float:
    """From the opening of the gate to the last record; `exact` gets whether each fill made one position record."""
    settings = place.settings
    _empty(settings.bootstrap)
    create_topics(settings.bootstrap, settings.partitions, 1)
    with ExitStack() as stack:
        published = Published(settings.bootstrap)
        stack.callback(published.close)
        folders = [place.folders.var / f"{kind}-{turn}-{number}" for number in range(2 if kind == "two" else 1)]
        for folder in folders:
            folder.mkdir()
            process = Process(_child(place, "worker" if kind == "two" else kind, folder, fills))
            stack.callback(process.stop)
            process.wait_ready()
        if len(folders) > 1:
            time.sleep(SETTLE_S)  # the first has given up half of its partitions, and both have records
        started = time.time()
        for folder in folders:
            (folder / "gate").touch()
        if kind in ("plain", "batch"):
            done = folders[0] / "done"
            wait_until(done.exists, KINDS[kind], LIMIT_S)
            return float(done.read_text()) - started
        wait_until(lambda: published.count([POSITIONS.name]) >= fills, KINDS[kind], LIMIT_S)
        ended = time.time()
        exact.append(published.count([POSITIONS.name]) == fills)
        return ended - started


def _child(place: Sandbox, kind: str, folder: Path, fills: int) -> Program:
    arguments = (kind, place.settings.bootstrap, str(folder), str(fills))
    return Program(
        name=folder.name,
        command=(sys.executable, "-m", "infra.bench.streams_child", *arguments),
        log=place.folders.log(folder.name),
        environment=place.settings.environment(),
        probe=(folder / "ready").exists,
        start_limit_s=LIMIT_S,
    )


# ------------------------------------------------------------------------------------------------------- latency


def _latency(place: Sandbox, count: int, per_second: int, say: Callable[[str], None]) -> list[Figure]:
    """A resting order large enough for all takers, then orders of one lot that trade with it, each at its time."""
    warm = WARM_S * per_second
    place.start(place.engine())
    client = place.client()
    for account in (TAKER, MAKER):
        client.administer(DefineAccount(account=account, deposit=Decimal(10**9)))
    client.connect()
    for name in ("publisher", "streams"):
        place.start(program(name, place.settings, place.folders))
    [reply] = client.submit(
        [
            NewOrder(
                account=MAKER,
                symbol=SYMBOL,
                side="sell",
                quantity=Decimal("0.0001") * (warm + count),
                limit_price=Decimal(PRICE),
                time_in_force="gtc",
                client_order_id="bench-maker-1",
            )
        ]
    )
    if reply.outcome != "accepted":
        raise ValueError(f"the resting order was refused: {reply.text}")
    say(f"from order to position record at {per_second:,} orders/s")

    def taker(number: int) -> tuple[str, str]:
        return SYMBOL, (
            f'{{"type":"new","account":"{TAKER}","symbol":"{SYMBOL}","side":"buy","quantity":"0.0001",'
            f'"limit_price":"{PRICE}","time_in_force":"ioc","client_order_id":"{number}"}}'
        )

    sender = producer(place.settings.bootstrap)

    def measure(first: int, orders: int) -> NDArray[np.float64]:
        positions = iter(range(orders))

        def position(value: bytes) -> int | None:
            """Orders of a key stay in order, and each changes the taker's position once: the n-th record is the
            n-th's."""
            return next(positions) if _position.decode(value).account == TAKER else None

        hop = Hop(place.settings.bootstrap, POSITIONS.name, position)
        measured = hop.measure(sender, ORDERS.name, lambda number: taker(first + number), orders, per_second)
        hop.close()
        return measured

    measure(0, warm)
    return quantiles("order (Kafka) to position record:", measure(warm, count), "ms")
