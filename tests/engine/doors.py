"""An engine with its ZeroMQ door open, in a thread of the test, and clients for it. Kafka is away unless given."""

from __future__ import annotations

import errno
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from engine.client import Client
from engine.core import Core
from engine.ingress import Ingress
from engine.messages import DefineAccount, DefineInstrument
from engine.sequencer import Sequencer
from engine.server import Server
from engine.tokens import Identity, issue

SECRET = "a secret for tests, long enough for HS256"
NOBODY = "127.0.0.1:9"
"""Where no Kafka is."""
AAPL = DefineInstrument(
    symbol="AAPL",
    tick_size=Decimal("0.01"),
    lot_size=Decimal(1),
    price_min=Decimal("1.00"),
    price_max=Decimal("2000.00"),
    maker_fee_ppm=-20,
    taker_fee_ppm=30,
)


def token(actor: str = "tester", role: str = "service", accounts: tuple[str, ...] = ("*",)) -> str:
    return issue(SECRET, Identity(actor, role, accounts), now_s=int(time.time()), lifetime_s=600)


def free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{probe.getsockname()[1]}"


def new_server(
    journal: Path, address: str, *, bootstrap: str = NOBODY, clock_ns: Callable[[], int] = time.time_ns, **options: Any
) -> Server:
    """A server that nobody has started yet; `options` are `Server`'s."""
    core = Core(max_orders=10_000)
    core.compile()
    sequencer = Sequencer(core, journal, clock=clock_ns)
    ingress = Ingress(bootstrap, sequencer.next_offsets)
    return Server(address, sequencer, ingress, SECRET, clock_ns=clock_ns, **options)


@contextmanager
def open_engine(journal: Path, *, address: str | None = None, **options: Any) -> Iterator[tuple[Server, str]]:
    """The server and its address; stopped cleanly at the end. `options` are those of `new_server`."""
    where = address or free_address()
    server = new_server(journal, where, **options)
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield server, where
    finally:
        server.stopped = True
        thread.join()
        server.close()


@contextmanager
def logged_in(address: str, signed: str | None = None) -> Iterator[Client]:
    with Client(address, signed or token()) as client:
        yield client


def until(done: Callable[[], bool], limit_s: float = 20.0) -> None:
    """Waits for something that another thread or process does."""
    end = time.monotonic() + limit_s
    while not done():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


@contextmanager
def full_disk(server: Server) -> Iterator[None]:
    """The journal takes nothing but what is urgent, as on a full disk."""
    journal = server._sequencer.journal
    append = journal._append

    def refuse(kind: int, first_seq: int, count: int, payload: bytes, urgent: bool) -> None:
        if not urgent:
            raise OSError(errno.ENOSPC, "No space left on device")
        append(kind, first_seq, count, payload, urgent)

    journal._append = refuse  # type: ignore[method-assign]
    try:
        yield
    finally:
        journal._append = append  # type: ignore[method-assign]


def define(client: Client, *accounts: str) -> None:
    """AAPL and the accounts."""
    assert client.administer(AAPL).outcome == "accepted"
    for account in accounts:
        assert client.administer(DefineAccount(account=account, deposit=Decimal(1_000_000))).outcome == "accepted"
