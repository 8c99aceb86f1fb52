"""`hft bench capacity`: what an order, a client and a gigabyte cost a running system, part by part.

Every counter is read before and after, also over a while without our orders, whose growth is taken off: what else the
system does is not counted as theirs.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import time
import uuid
from collections.abc import Callable, Iterator
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
KILOBYTE: Final = 1024
MEGABYTE: Final = 1 << 20
GIGABYTE: Final = 1_000_000_000

Counters = dict[str, float]
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
    total = 0.0
    for process in _tree(pid):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
    return total * 1e6


def _memory(pid: int) -> float:
    """Bytes, shared ones in parts (PSS)."""
    total = 0
    for process in _tree(pid):
        with contextlib.suppress(psutil.NoSuchProcess):
            total += process.memory_full_info().pss
    return total


def counters(settings: Settings, where: Folders, services: dict[str, int]) -> Counters:
    """Bytes and microseconds so far, by name."""
    found: Counters = {"journal": float(sum(path.stat().st_size for path in segments(where.journal)))}
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


def per_order(before: Counters, after: Counters, idle: Counters, share: float, orders: int) -> Counters:
    """Growth a piece. `idle`: growth without our orders, in `1 / share` of the time."""
    return {name: (after[name] - before[name] - share * idle[name]) / orders for name in before}


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

    def counters(self) -> Counters:
        return counters(self.settings, self.where, self.services)

    def growth(self, work: Callable[[], None], idle: Counters, idle_s: float, orders: int) -> tuple[Counters, float]:
        """A piece's growth by the work, and how long it took."""
        before, begun = self.counters(), time.monotonic()
        work()
        took = time.monotonic() - begun
        settle(self.settings.bootstrap, SETTLE_S)
        after, whole = self.counters(), time.monotonic() - begun
        return per_order(before, after, idle, whole / idle_s, orders), took

    def idle(self, seconds: float) -> tuple[Counters, float]:
        before, begun = self.counters(), time.monotonic()
        time.sleep(seconds)
        after = self.counters()
        return {name: after[name] - before[name] for name in before}, time.monotonic() - begun

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

    def stream_bytes(self, clients: int) -> float:
        """The gateway's memory for each client that follows a stream and reads nothing more."""
        pid = self.services["gateway"]
        address = urlsplit(self.settings.gateway)
        with contextlib.ExitStack() as stack:
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
            return (_memory(pid) - before) / clients


def run(settings: Settings, orders: int, rest: int, rate: int, clients: int, idle_s: float, say: Say) -> Result:
    """Orders of two accounts that trade with each other: `orders` by ZeroMQ at `rate` a second, then `rest` by REST."""
    system = Measured(settings, say)
    price = system.open_accounts()
    system.by_zeromq(200, rate, price)  # what happens once only is over
    settle(settings.bootstrap, SETTLE_S)
    say(f"{idle_s:g} s without our orders")
    idle, idle_took = system.idle(idle_s)
    say(f"{orders:,} orders by ZeroMQ at {rate:,} a second")
    each, took = system.growth(lambda: system.by_zeromq(orders, rate, price), idle, idle_took, orders)
    say(f"{rest:,} orders by REST")
    by_rest, rest_took = system.growth(lambda: system.by_rest(rest, price), idle, idle_took, rest)
    say(f"{clients:,} clients of the stream")
    client = system.stream_bytes(clients)
    sizes = {"orders by ZeroMQ": orders, "a second": rate, "orders by REST": rest, "clients": clients}
    return Result("What an order, a client and a gigabyte cost", sizes, [
        Figure("orders by ZeroMQ", orders / took, "/s"),
        Figure(f"orders by REST, over {CONNECTIONS} connections", rest / rest_took, "/s"),
        *_bytes(each),
        *_microseconds("an order by ZeroMQ", each),
        *_microseconds("an order by REST", by_rest),
        *(Figure(f"memory: {name}", _memory(pid) / MEGABYTE, "MiB") for name, pid in system.services.items()),
        Figure("memory: a client of the stream", client / KILOBYTE, "KiB"),
    ])  # fmt: skip


def _bytes(each: Counters) -> list[Figure]:
    sizes = {name: value for name, value in each.items() if not name.startswith("cpu ")}
    kept = {
        "all topics": sum(value for name, value in sizes.items() if name.startswith("topic ")),
        "all tables": sum(value for name, value in sizes.items() if name.startswith("table ")),
    }
    disk = sizes["journal"] + sum(kept.values())
    figures = [Figure(f"bytes an order: {name}", value, "B") for name, value in sizes.items() if round(value)]
    figures += [Figure(f"bytes an order: {name}", value, "B") for name, value in kept.items()]
    return [*figures, Figure("orders in a gigabyte of disk", GIGABYTE / disk)]


def _microseconds(what: str, each: Counters) -> list[Figure]:
    found = {name.removeprefix("cpu "): value for name, value in each.items() if name.startswith("cpu ")}
    figures = [Figure(f"processor, {what}: {name}", value, "µs") for name, value in found.items()]
    return [*figures, Figure(f"processor, {what}: all", sum(found.values()), "µs")]
