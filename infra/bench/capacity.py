"""`hft bench capacity`: what an order, a client and a gigabyte cost a running system, part by part.

Every counter is read before and after, also over three whiles without our orders, whose growth is taken off: what else
the system does is not counted as theirs. What these whiles differ by is how exactly a cost is known (`cost.py`).
"""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import psutil
import psycopg
import redis

from engine import topics
from engine.client import Client
from engine.messages import DefineAccount, NewOrder
from engine.segments import segments
from engine.tokens import Identity, issue
from infra import state
from infra.bench.cost import Cost, Growth, cost, costs, total
from infra.bench.figures import Figure, Result
from infra.engine_session import carried_out, session
from infra.errors import OperatorError
from infra.folders import Folders, folders
from infra.secrets import jwt_secret
from infra.settings import Settings
from streams.audit import settle

SYMBOL: Final = "AAPL"
LOTS: Final = Decimal(1)
CONNECTIONS: Final = 8
"""That orders by REST are sent over at once."""
FRAME: Final = 50
"""Orders sent at once by ZeroMQ."""
SETTLE_S: Final = 120.0
TABLES: Final = ("orders", "order_events", "executions", "trades", "position_history", "pnl")
WARM: Final = 200
"""Orders that nothing is counted of, by each way: what happens once only is over then."""
TICKS: Final = 2
"""Of the system's clock, that a process's time can be wrong by: user and system time are told in whole ones."""
PAGE_BYTES: Final = 8192
"""A table and its indexes grow by pages."""
MEGABYTE: Final = 1 << 20
GIGABYTE: Final = 1_000_000_000

Say = Callable[[str], None]


def _tree(pid: int) -> Iterator[psutil.Process]:
    """A process and those that it has started."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        yield process
        yield from process.children(recursive=True)


def _services(where: Folders) -> dict[str, int]:
    """Name → pid. Raises `OperatorError` where the system does not run."""
    found = state.read(where.run)
    if found is None or state.holder(where) is None:
        raise OperatorError(f"nothing runs in {where.var}: hft up starts it")
    return {service.name: service.pid for service in found.services if service.pid is not None}


def _cpu_us(pid: int) -> float:
    """Of a process, of those that it has started, and of those among them that have ended."""
    seconds = 0.0
    for process in _tree(pid):
        with contextlib.suppress(psutil.NoSuchProcess):
            seconds += sum(process.cpu_times()[:4])  # user and system, then of the children that have ended
    return seconds * 1e6


def _memory(pid: int) -> int:
    """Bytes, shared ones in parts (PSS)."""
    found = 0
    for process in _tree(pid):
        with contextlib.suppress(psutil.NoSuchProcess):
            found += process.memory_full_info().pss
    return found


def counters(settings: Settings, where: Folders, services: dict[str, int]) -> dict[str, float]:
    """Bytes and microseconds so far, by name."""
    found = {"journal": float(sum(path.stat().st_size for path in segments(where.journal)))}
    if not settings.kafka_bootstrap:
        for topic in topics.TOPICS:
            found[f"topic {topic.name}"] = float(_log_bytes(where.kafka / "data", topic.name))
    with psycopg.connect(settings.dsn) as connection:
        for table in TABLES:
            row = connection.execute("SELECT pg_total_relation_size(%s)", (table,)).fetchone()
            found[f"table {table}"] = float(row[0]) if row else 0.0
    information: Any = redis.Redis.from_url(settings.redis).info("memory")
    found["Redis"] = float(information["used_memory"])
    return found | {f"cpu {name}": _cpu_us(pid) for name, pid in services.items()}


def _log_bytes(data: Path, topic: str) -> int:
    return sum(path.stat().st_size for path in data.glob(f"{topic}-[0-9]*/*.log"))


def grains(names: Iterable[str]) -> dict[str, float]:
    """The smallest step of each counter."""
    tick_us = 1e6 / os.sysconf("SC_CLK_TCK")
    steps = {"cpu": TICKS * tick_us, "table": float(PAGE_BYTES)}
    return {name: steps.get(name.partition(" ")[0], 0.0) for name in names}


class Measured:
    """The running system."""

    def __init__(self, settings: Settings, say: Say) -> None:
        self.settings = settings
        self.say = say
        self.where = folders(settings.var)
        self.services = _services(self.where)
        self.secret = jwt_secret(settings.jwt_secret, self.where.secrets)
        self._numbers = itertools.count(1)
        self._run = uuid.uuid4().hex[:8]
        self.accounts = (f"cap-{self._run}-1", f"cap-{self._run}-2")

    def token(self) -> str:
        identity = Identity("bench", "trader", self.accounts)
        return issue(self.secret, identity, now_s=int(time.time()), lifetime_s=3600)

    def open_accounts(self) -> str:
        """Makes the two that trade with each other; the price that they trade at."""
        with session(self.settings) as client:
            for account in self.accounts:
                carried_out(client, DefineAccount(account=account, deposit=Decimal(10**9)))
            listed = next((item for item in client.connect().instruments if item.symbol == SYMBOL), None)
            if listed is None:
                raise OperatorError(f"--symbol {SYMBOL}: there is no such instrument")
            tick = Decimal(listed.tick_size)
            return str((Decimal(listed.price_min) + Decimal(listed.price_max)) / 2 // tick * tick)

    def order(self, price: str) -> NewOrder:
        """Every second one takes the one before it."""
        number = next(self._numbers)
        return NewOrder(
            account=self.accounts[number % 2],
            symbol=SYMBOL,
            side="sell" if number % 2 else "buy",
            quantity=LOTS,
            limit_price=Decimal(price),
            time_in_force="gtc",
            client_order_id=f"{self._run}-{number}",
        )

    def growth(self, work: Callable[[], None]) -> Growth:
        before, begun = counters(self.settings, self.where, self.services), time.monotonic()
        work()
        after = counters(self.settings, self.where, self.services)
        return Growth({name: after[name] - before[name] for name in before}, time.monotonic() - begun)

    def settled(self, work: Callable[[], None]) -> tuple[Growth, float]:
        """Growth until everything that follows from the work is done, and how many seconds the work itself took."""
        took = 0.0

        def whole() -> None:
            nonlocal took
            begun = time.monotonic()
            work()
            took = time.monotonic() - begun
            settle(self.settings.bootstrap, SETTLE_S)

        return self.growth(whole), took

    def rest(self, seconds: float) -> Growth:
        self.say(f"{seconds:g} s without our orders")
        return self.growth(lambda: time.sleep(seconds))

    def check(self) -> None:
        """Raises `OperatorError` where a process was started again: its counters began anew."""
        for name, pid in _services(self.where).items():
            if self.services.get(name) != pid:
                raise OperatorError(f"{name} was started again meanwhile: what was counted of it means nothing")

    def by_zeromq(self, orders: int, rate: int, price: str) -> None:
        with Client(self.settings.zeromq, self.token(), timeout_s=30) as client:
            client.connect()
            begun = time.monotonic()
            for done in range(0, orders, FRAME):
                replies = client.submit([self.order(price) for _ in range(min(FRAME, orders - done))])
                refused = next((reply for reply in replies if reply.outcome != "accepted"), None)
                if refused is not None:
                    raise OperatorError(f"the engine refused it: {refused.text or refused.reason}")
                time.sleep(max(0.0, begun + (done + FRAME) / rate - time.monotonic()))

    def by_rest(self, orders: int, price: str) -> None:
        headers = {"Authorization": f"Bearer {self.token()}"}
        with (
            httpx.Client(base_url=self.settings.gateway, headers=headers, timeout=30) as client,
            ThreadPoolExecutor(CONNECTIONS) as senders,
        ):
            made = [self.order(price) for _ in range(orders)]
            list(senders.map(lambda order: self._post(client, order, price), made))  # raises what a sender has raised

    def _post(self, client: httpx.Client, order: NewOrder, price: str) -> None:
        body = {
            "account": order.account,
            "symbol": SYMBOL,
            "side": order.side,
            "quantity": str(LOTS),
            "limit_price": price,
            "time_in_force": "gtc",
            "client_order_id": order.client_order_id,
        }
        answer = client.post("/api/order", json=body)
        while answer.status_code == 429:
            time.sleep(0.05)
            answer = client.post("/api/order", json=body)
        if answer.status_code != 201:
            raise OperatorError(f"the gateway refused it: {answer.text}")

    def stream_bytes(self, clients: int) -> Cost:
        """The gateway's memory for each client that follows a stream and reads nothing more."""
        pid = self.services["gateway"]
        address = urlsplit(self.settings.gateway)
        with contextlib.ExitStack() as stack:
            earlier = _memory(pid)
            time.sleep(1.0)
            before = _memory(pid)
            for _ in range(clients):
                one = stack.enter_context(socket.create_connection((address.hostname, address.port), 10))
                one.sendall(
                    f"GET /api/stream?topics=orders,positions HTTP/1.1\r\nHost: {address.netloc}\r\n"
                    f"Authorization: Bearer {self.token()}\r\n\r\n".encode()
                )
                if not one.recv(4096).startswith(b"HTTP/1.1 200"):
                    raise OperatorError(f"the gateway at {self.settings.gateway} refuses a stream")
            time.sleep(1.0)
            return cost(_memory(pid) - before, abs(before - earlier), clients)


def run(settings: Settings, orders: int, rest: int, rate: int, clients: int, idle_s: float, say: Say) -> Result:
    """Orders of two accounts that trade with each other: `orders` by ZeroMQ at `rate` a second, then `rest` by REST."""
    system = Measured(settings, say)
    price = system.open_accounts()
    system.by_zeromq(WARM, rate, price)
    system.by_rest(WARM, price)
    settle(settings.bootstrap, SETTLE_S)
    rests = [system.rest(idle_s)]
    say(f"{orders:,} orders by ZeroMQ at {rate:,} a second")
    by_zeromq, zeromq_s = system.settled(lambda: system.by_zeromq(orders, rate, price))
    rests.append(system.rest(idle_s))
    say(f"{rest:,} orders by REST")
    by_rest, rest_s = system.settled(lambda: system.by_rest(rest, price))
    rests.append(system.rest(idle_s))
    say(f"{clients:,} clients of the stream")
    client = system.stream_bytes(clients)
    system.check()
    steps = grains(by_zeromq.counters)
    each, each_by_rest = (
        costs(growth, rests, steps, pieces) for growth, pieces in ((by_zeromq, orders), (by_rest, rest))
    )
    sizes = {
        "market": settings.market,
        "orders by ZeroMQ": orders,
        "of a frame": FRAME,
        "a second": rate,
        "orders by REST": rest,
        "connections": CONNECTIONS,
        "clients": clients,
        "seconds without orders": [round(one.seconds, 1) for one in rests],
    }
    return Result("What an order, a client and a gigabyte cost", sizes, [
        Figure("orders by ZeroMQ", round(orders / zeromq_s), "/s"),
        Figure("orders by REST", round(rest / rest_s), "/s"),
        *_bytes(each),
        *_microseconds("ZeroMQ", each),
        *_microseconds("REST", each_by_rest),
        *_memories({name: round(_memory(pid) / MEGABYTE) for name, pid in system.services.items()}),
        client.figure("memory of a client of the stream", "B"),
    ])  # fmt: skip


def _bytes(each: dict[str, Cost]) -> list[Figure]:
    """Of the journal and each topic and table, each sum, and Redis, which is memory and not in a sum."""
    parts = {
        kind: {name: one for name, one in each.items() if name.startswith(kind)}
        for kind in ("journal", "topic ", "table ", "Redis")
    }
    sums = {kind: total(found.values()) for kind, found in parts.items()}
    disk = sums["journal"] + sums["topic "] + sums["table "]
    named = "bytes an order: {}".format

    def figures(kind: str) -> list[Figure]:
        return [one.figure(named(name), "B") for name, one in parts[kind].items()]

    return [
        *figures("journal"),
        *figures("topic "),
        Figure(named("all topics"), sums["topic "], "B"),
        *figures("table "),
        Figure(named("all tables"), sums["table "], "B"),
        Figure(named("journal, topics and tables"), disk, "B"),
        Figure("orders in a gigabyte of disk", GIGABYTE // disk),
        *figures("Redis"),
    ]


def _microseconds(door: str, each: dict[str, Cost]) -> list[Figure]:
    found = {name.removeprefix("cpu "): one for name, one in each.items() if name.startswith("cpu ")}
    named = f"processor, an order by {door}: {{}}".format
    parts = [one.figure(named(name), "µs") for name, one in found.items()]
    return [*parts, Figure(named("all"), total(found.values()), "µs")]


def _memories(megabytes: dict[str, int]) -> list[Figure]:
    parts = [Figure(f"memory: {name}", size, "MiB") for name, size in megabytes.items()]
    return [*parts, Figure("memory: all", sum(megabytes.values()), "MiB")]
