"""Sessions end: with their token, or with their connection; and what happens to their orders then."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
import zmq

from engine.client import Client
from engine.messages import NewOrder
from engine.refusal import Refusal
from engine.words import Durability, Reason
from tests.engine.doors import define, logged_in, open_engine, token, until
from tests.engine.test_server import ask, raw

TRADER = ("t", "trader", ("demo",))
PROGRAM = """
import sys, time
from decimal import Decimal
from engine.client import Client
from engine.messages import NewOrder
address, token = sys.argv[1:]
client = Client(address, token, cancel_on_disconnect=True)
orders = [NewOrder(account="demo", symbol="AAPL", side="buy", quantity=Decimal(1), limit_price=Decimal(190),
                   client_order_id=f"mine{k}") for k in range(3)]
print([reply.outcome for reply in client.submit(orders)], flush=True)
while True:
    time.sleep(1)
"""


def order(client_order_id: str) -> NewOrder:
    return NewOrder(
        account="demo",
        symbol="AAPL",
        side="buy",
        quantity=Decimal(1),
        limit_price=Decimal(190),
        client_order_id=client_order_id,
    )


def is_canceled(client: Client, client_order_id: str) -> Callable[[], bool]:
    def check() -> bool:
        state = client.status("demo", client_order_id=client_order_id)
        return state is not None and state.order_status == "canceled"

    return check


def test_the_orders_of_a_killed_process_are_canceled(tmp_path: Path) -> None:
    with open_engine(tmp_path) as (_, address), logged_in(address) as admin:
        define(admin, "demo", "other")
        admin.submit(
            [NewOrder(account="other", symbol="AAPL", side="buy", quantity=Decimal(1), limit_price=Decimal(1))]
        )
        program = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, address, token(*TRADER)],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        assert program.stdout is not None
        assert b"accepted" in program.stdout.readline()
        time.sleep(0.3)
        assert admin.depth("AAPL").bids == [("190.00", "3", 3), ("1.00", "1", 1)]
        admin.subscribe("demo")
        os.kill(program.pid, signal.SIGKILL)
        program.wait()
        program.stdout.close()
        until(is_canceled(admin, "mine2"))
        assert admin.depth("AAPL").bids == [("1.00", "1", 1)]
        reports = admin.reports(10.0)
        assert reports is not None
        assert [Reason(reason) for reason in reports.records["reason"]] == [Reason.DISCONNECTED] * 3


def test_a_session_that_did_not_ask_leaves_its_orders(tmp_path: Path) -> None:
    with open_engine(tmp_path) as (_, address), logged_in(address) as admin:
        define(admin, "demo", "other")
        with logged_in(address, token(*TRADER)) as quiet:
            quiet.submit([order("stays")])
        with Client(address, token("o", "trader", ("other",)), cancel_on_disconnect=True) as watched:
            watched.submit([msgspec.structs.replace(order("goes"), account="other")])
        until(lambda: admin.depth("AAPL").bids == [("190.00", "1", 1)])
        assert not is_canceled(admin, "stays")()


def test_a_session_ends_with_its_token(tmp_path: Path) -> None:
    later = 0

    def clock_ns() -> int:
        return time.time_ns() + later

    with open_engine(tmp_path, clock_ns=clock_ns) as (_, address):
        with logged_in(address) as admin:
            define(admin, "demo")
        socket = raw(address)
        answer = ask(socket, json.dumps({"type": "login", "token": token(*TRADER)}).encode())
        assert answer["accounts"] == ["demo"]
        later = 601 * 1_000_000_000
        refused = ask(socket, b'{"type":"cancel_all","account":"demo"}')
        assert (refused["reason"], refused["field"]) == ("not_authorized", "token")
        assert "expired" in refused["text"]
        socket.close()


def test_orders_are_canceled_when_the_token_ends(tmp_path: Path) -> None:
    later = 0

    def clock_ns() -> int:
        return time.time_ns() + later

    with open_engine(tmp_path, clock_ns=clock_ns) as (server, address), logged_in(address) as admin:
        define(admin, "demo")
        with Client(address, token(*TRADER), cancel_on_disconnect=True) as trader:
            trader.submit([order("short-lived")])
            later = 601 * 1_000_000_000
            core = server._core
            until(lambda: core.depth(1, 1)[0].size == 0)


@pytest.mark.parametrize(
    ("login", "field"),
    [
        ({"token": token(), "cancel_on_disconnect": True}, "cancel_on_disconnect"),
        ({"token": token("v", "viewer", ("demo",)), "cancel_on_disconnect": True}, "cancel_on_disconnect"),
        ({"token": token(*TRADER), "durability": "carved in stone"}, "durability"),
        ({"token": token(*TRADER), "durability": 5}, "durability"),
        ({"token": "x"}, "token"),
        ({}, "token"),
    ],
)
def test_a_login_names_the_field(tmp_path: Path, login: dict[str, object], field: str) -> None:
    with open_engine(tmp_path) as (_, address):
        socket = raw(address)
        answer = ask(socket, json.dumps({"type": "login", **login}).encode())
        assert answer["field"] == field
        socket.close()


@pytest.mark.parametrize("request_type", ["login", "subscribe"])
def test_a_socket_that_only_takes_replies_is_told(tmp_path: Path, request_type: str) -> None:
    with open_engine(tmp_path) as (_, address):
        with logged_in(address) as admin:
            define(admin, "demo")
        socket = raw(address)
        login = {"type": "login", "token": token(*TRADER)}
        ask(socket, json.dumps(login).encode())
        asked = login | {"type": request_type, "account": "demo", "cancel_on_disconnect": True}
        assert "need a DEALER" in ask(socket, json.dumps(asked).encode())["text"]
        socket.close()


def test_a_routing_id_of_ones_own_is_refused(tmp_path: Path) -> None:
    """Another connection could give itself the same one, and be taken for the one that had logged in."""
    with open_engine(tmp_path) as (_, address):
        socket = zmq.Context.instance().socket(zmq.REQ)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.ROUTING_ID, b"alice")
        socket.connect(address)
        assert ask(socket, json.dumps({"type": "login", "token": token(*TRADER)}).encode())["field"] == "token"
        socket.close()


@pytest.mark.parametrize("durability", [Durability.JOURNALED, Durability.SYNCED])
def test_replies_name_the_sessions_durability(tmp_path: Path, durability: Durability) -> None:
    with open_engine(tmp_path) as (_, address), Client(address, token(), durability=durability) as client:
        define(client, "demo")
        [reply] = client.submit([order("a")])
        assert reply.durability == durability.wire


def test_nobody_administers_without_the_right(tmp_path: Path) -> None:
    with open_engine(tmp_path) as (_, address), logged_in(address) as admin:
        define(admin, "demo")
        assert admin.state_hash().last_seq == 2
        assert admin.positions().positions == []
        with logged_in(address, token(*TRADER)) as trader:
            for ask_for in (trader.positions, trader.state_hash):
                with pytest.raises(Refusal, match="may not administer"):
                    ask_for()
