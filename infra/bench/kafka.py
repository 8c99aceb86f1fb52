"""`hft bench kafka`: orders from a real broker, through the engine, and events back to it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.client import Client
from engine.messages import DefineAccount, NewOrder
from engine.topics import FILLS, ORDERS, Topic
from infra.bench.figures import Figure, Result, quantiles
from infra.bench.hop import Hop
from infra.bench.published import EVENTS, Published, wait_until
from infra.bench.sandbox import Sandbox, sandbox
from infra.bench.topic_orders import fill, producer
from infra.kafka import create_topics
from infra.process import Program

ACCOUNTS: Final = 100
LIMIT_S: Final = 900.0
TAKER: Final = "bench-taker"
MAKER: Final = "bench-maker"
SYMBOL: Final = "BTCUSD"
PRICE: Final = "68000.00"
HOP: Final = Topic("bench-hop", NewOrder, "symbol")
RELAY: Final = Topic("bench-relay", NewOrder, "symbol")
RELAYED: Final = Topic("bench-relayed", NewOrder, "symbol")
ROUNDS: Final = 3
"""Bare hops, bare relays and orders take turns, so that all see the same machine. A round before warms up: the broker's
code is compiled while it works."""


class FillName(msgspec.Struct):
    account: str
    client_order_id: str


class OrderName(msgspec.Struct):
    client_order_id: str


_fill: Final = msgspec.json.Decoder(FillName)
_order: Final = msgspec.json.Decoder(OrderName)


def run(orders: int, latency_orders: int, per_second: int, say: Callable[[str], None]) -> Result:
    """`orders` are read from the filled topic; then `latency_orders` a round go through at `per_second`."""
    with sandbox(kafka=True) as place:
        create_topics(place.settings.bootstrap, place.settings.partitions, 1, topics=(HOP, RELAY, RELAYED))
        engine = place.start(place.engine())
        _open_accounts(place.client())
        say(f"filling the topic orders: {orders:,} records")
        engine.stop()
        fill(place.settings.bootstrap, orders, ACCOUNTS)
        figures = _ingress(place, orders, say)
        figures += _publisher(place, say)
        figures += _latency(place, latency_orders, per_second, say)
    sizes = {
        "orders in the topic": orders,
        "partitions": place.settings.partitions,
        "latency: orders": ROUNDS * latency_orders,
        "latency: orders/s": per_second,
    }
    return Result("Through Kafka (embedded, on the same machine)", sizes, figures)


def _open_accounts(client: Client) -> None:
    for account in (*(f"bench-{k}" for k in range(1, ACCOUNTS + 1)), TAKER, MAKER):
        client.administer(DefineAccount(account=account, deposit=Decimal(10**9)))
    client.connect()


def _ingress(place: Sandbox, orders: int, say: Callable[[str], None]) -> list[Figure]:
    """From the first order sequenced to the last."""
    say("reading, sequencing, journaling and matching them")
    place.start(place.engine())
    client = place.client()
    marks = [(time.perf_counter(), client.ping())]
    base = marks[0][1]

    def read_all() -> bool:
        marks.append((time.perf_counter(), client.ping()))
        return client.ping() >= before + orders

    before = _administrative(place)
    wait_until(read_all, "reading the topic", LIMIT_S)
    began = next((i for i, mark in enumerate(marks) if mark[1] > base), 1) - 1
    (start, first), (end, last) = marks[began], marks[-1]
    return [
        Figure("orders of the topic in the journal, each once", client.ping() == before + orders),
        Figure("JSON orders read, sequenced, journaled and matched", (last - first) / (end - start), "/s"),
    ]


def _administrative(place: Sandbox) -> int:
    """Commands that the journal holds before any order: the instruments' and the accounts'."""
    from engine.instruments import load

    return len(load(place.settings.instruments)) + ACCOUNTS + 2


def _publisher(place: Sandbox, say: Callable[[str], None]) -> list[Figure]:
    """The whole journal, from the first record to the last."""
    say("publishing what came of them")
    published = Published(place.settings.bootstrap)
    place.stack.callback(published.close)
    client = place.client()
    last = client.ping()
    # The publisher is ready once it has caught up: what is timed is its whole way there, less its start, from the last
    # look that found nothing.
    process = place.publisher()
    started = time.perf_counter()

    def caught_up() -> bool:
        nonlocal started
        now, there = time.perf_counter(), published.commands
        if there == 0:
            started = now
        return there >= last

    from infra.process import Process

    running = Process(process)
    place.stack.callback(running.stop)
    wait_until(caught_up, "publishing", LIMIT_S)
    seconds = time.perf_counter() - started
    events = published.count(EVENTS)
    return [
        Figure("order events, fills and trades published", events / seconds, "/s"),
        Figure("records published, the commands' own too", (events + last) / seconds, "/s"),
    ]


def _latency(place: Sandbox, count: int, per_second: int, say: Callable[[str], None]) -> list[Figure]:
    """A resting order large enough for all takers, then orders of one lot that trade with it; in turns with them, what
    one hop through the broker takes, and two with a process between that only reads and writes."""
    bootstrap = place.settings.bootstrap
    [reply] = place.client().submit(
        [
            NewOrder(
                account=MAKER,
                symbol=SYMBOL,
                side="sell",
                quantity=Decimal("0.0001") * (ROUNDS + 1) * count,
                limit_price=Decimal(PRICE),
                time_in_force="gtc",
                client_order_id="bench-maker-1",
            )
        ]
    )
    if reply.outcome != "accepted":
        raise ValueError(f"the resting order was refused: {reply.text}")
    place.start(_relay(place))
    sender = producer(bootstrap)
    ways = {"order to fill record": (ORDERS, FILLS), "bare hop": (HOP, HOP), "bare relay, two hops": (RELAY, RELAYED)}
    took: dict[str, list[NDArray[np.float64]]] = {name: [] for name in ways}
    for turn in range(ROUNDS + 1):
        say(f"latency at {per_second:,} orders/s: {f'round {turn} of {ROUNDS}' if turn else 'warming up'}")
        for name, (topic, read) in ways.items():
            hop = Hop(bootstrap, read.name, _name_in_fill if read is FILLS else _name_in_order)
            times = hop.measure(sender, topic.name, lambda k, turn=turn: _taker(turn, k), count, per_second)  # type: ignore[misc]
            if turn:
                took[name].append(times)
            hop.close()
    found = {name: quantiles(f"{name}:", np.concatenate(times), "ms", parts=(50, 99)) for name, times in took.items()}
    own, hops, relays = found.values()
    ratios = [
        Figure(f"{name}: {part} to the bare hop's", float(mine.value) / float(other.value), "×")
        for name, figures in (("order to fill record", own), ("bare relay, two hops", relays))
        for part, mine, other in zip(("p50", "p99"), figures, hops, strict=True)
    ]
    return [*own, *hops, *relays, *ratios]


def _relay(place: Sandbox) -> Program:
    mark = place.folders.mark("relay")
    names = (place.settings.bootstrap, RELAY.name, RELAYED.name, str(mark))
    command = (sys.executable, "-m", "infra.bench.relay", *names)
    return Program(name="relay", command=command, log=place.folders.log("relay"), probe=mark.exists)


def _taker(turn: int, number: int) -> tuple[str, str]:
    return SYMBOL, (
        f'{{"type":"new","account":"{TAKER}","symbol":"{SYMBOL}","side":"buy","quantity":"0.0001",'
        f'"limit_price":"{PRICE}","time_in_force":"ioc","client_order_id":"{turn}-{number}"}}'
    )


def _name_in_fill(value: bytes) -> int | None:
    found = _fill.decode(value)
    return int(found.client_order_id.partition("-")[2]) if found.account == TAKER else None


def _name_in_order(value: bytes) -> int | None:
    return int(_order.decode(value).client_order_id.partition("-")[2])
