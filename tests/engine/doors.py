"""An engine with its ZeroMQ door open, in a thread of the test, and clients for it. Kafka is away unless given."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

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


@contextmanager
def open_engine(journal: Path, *, address: str | None = None, bootstrap: str = NOBODY) -> Iterator[tuple[Server, str]]:
    """The server and its address; stopped cleanly at the end."""
    where = address or free_address()
    core = Core(max_orders=10_000)
    core.compile()
    sequencer = Sequencer(core, journal)
    server = Server(where, sequencer, Ingress(bootstrap, sequencer.next_offsets), SECRET)
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


def define(client: Client, *accounts: str) -> None:
    """AAPL and the accounts."""
    assert client.administer(AAPL).outcome == "accepted"
    for account in accounts:
        assert client.administer(DefineAccount(account=account, deposit=Decimal(1_000_000))).outcome == "accepted"
