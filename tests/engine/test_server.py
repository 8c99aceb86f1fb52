"""The ZeroMQ door of a running engine: orders, errors, sessions, a restart, a full disk, rubbish."""

from __future__ import annotations

import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import zmq

from engine import frames, zeromq_door
from engine.client import Client
from engine.core import Core
from engine.ingress import Arrived
from engine.journal_reader import Reader
from engine.layout import COMMAND, FIELDS, HEADER
from engine.messages import Cancel, CancelAll, DefineAccount, ListedOrder, NewOrder, OrderList, Replace, as_json
from engine.refusal import Refusal
from engine.sequencer import Sequencer
from engine.server import Server
from engine.words import FrameKind, Source
from tests.engine.doors import (
    AAPL,
    SECRET,
    define,
    free_address,
    full_disk,
    logged_in,
    new_server,
    open_engine,
    token,
    until,
)

ORDER = {"type": "new", "account": "demo", "symbol": "AAPL", "side": "buy", "limit_price": 1}


def limit(side: str, quantity: int, price: str, **more: Any) -> NewOrder:
    fields = {"account": "demo", "symbol": "AAPL", **more}
    return NewOrder(side=side, quantity=Decimal(quantity), limit_price=Decimal(price), **fields)


def raw(address: str) -> zmq.Socket[bytes]:
    socket = zmq.Context.instance().socket(zmq.REQ)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.RCVTIMEO, 5000)
    socket.connect(address)
    return socket


def ask(socket: zmq.Socket[bytes], payload: bytes) -> Any:
    socket.send(payload)
    return msgspec.json.decode(socket.recv())


def test_an_order_lives_and_is_canceled(tmp_path: Path) -> None:
    with open_engine(tmp_path) as (_, address), logged_in(address) as client:
        define(client, "demo", "other")
        [bought] = client.submit([limit("buy", 10, "190.00", client_order_id="b1")])
        assert (bought.outcome, bought.order_status, bought.durability) == ("accepted", "new", "journaled")
        [sold] = client.submit([limit("sell", 4, "189.00", account="other")])
        assert (sold.order_status, sold.average_price) == ("filled", "190.00")
        state = client.status("demo", client_order_id="b1")
        assert state is not None
        assert (state.order_status, state.filled_quantity, state.leaves_quantity) == ("partially_filled", "4", "6")
        assert client.depth("AAPL").bids == [("190.00", "6", 1)]
        replies = client.submit(
            [
                Replace(account="demo", client_order_id="b1", symbol="AAPL", quantity=Decimal(8)),
                Cancel(account="demo", order_id=bought.order_id),
                Cancel(account="demo", order_id=bought.order_id),
            ]
        )
        assert [(r.outcome, r.order_status, r.reason) for r in replies] == [
            ("accepted", "partially_filled", None),
            ("accepted", "canceled", None),
            ("rejected", "canceled", "too_late"),
        ]
        assert client.depth("AAPL").bids == []


def test_a_repeat_gives_the_first_outcome(tmp_path: Path) -> None:
    with open_engine(tmp_path) as (_, address), logged_in(address) as client:
        define(client, "demo")
        [first] = client.submit([limit("buy", 1, "190.00", client_order_id="x")])
        [again] = client.submit([limit("buy", 1, "190.00", client_order_id="x")])
        [other] = client.submit([limit("buy", 2, "190.00", client_order_id="x")])
        assert (again.outcome, again.order_id) == ("duplicate", first.order_id)
        assert (other.outcome, other.reason, other.field) == (
            "rejected",
            "duplicate_client_order_id",
            "client_order_id",
        )
        assert client.depth("AAPL").bids == [("190.00", "1", 1)]


def test_restart_continues_from_the_journal(tmp_path: Path) -> None:
    with open_engine(tmp_path) as (server, address):
        with logged_in(address) as client:
            define(client, "demo", "other")
            for k in range(200):
                client.submit(
                    [
                        limit("buy", 1 + k % 7, f"{190 - k % 5}.00", client_order_id=f"b{k}"),
                        limit("sell", 1 + k % 3, f"{189 + k % 4}.00", account="other", client_order_id=f"s{k}"),
                    ]
                )
            client.submit([CancelAll(account="other", side="sell")])
            client.submit([limit("buy", 1, "190.00", client_order_id="b0")])
            depth = client.depth("AAPL", 50)
        core = server._core
        hashed, seq = core.state_hash(), core.last_seq
    with open_engine(tmp_path, address=address) as (server, _), logged_in(address) as client:
        assert server._core.last_seq == seq
        assert server._core.state_hash() == hashed
        assert client.depth("AAPL", 50) == depth
        [again] = client.submit([limit("buy", 1, "190.00", client_order_id="b0")])
        assert again.outcome == "duplicate"


def test_a_client_outlives_the_engine(tmp_path: Path) -> None:
    with open_engine(tmp_path) as (_, address):
        client = Client(address, token())
        define(client, "demo")
    with open_engine(tmp_path, address=address):
        [reply] = client.submit([limit("buy", 1, "190.00")])
        assert reply.outcome == "accepted"
    client.close()


def test_nobody_there_is_a_timeout() -> None:
    client = Client("tcp://127.0.0.1:9", token(), timeout_s=0.1)
    with pytest.raises(TimeoutError, match=r"no connection to the engine at .* within 0\.1 s: not sent"):
        client.connect()
    client.close()


@pytest.mark.parametrize("signed", ["", "x", token()[:-2] + "zz"])
def test_a_wrong_token_is_refused(tmp_path: Path, signed: str) -> None:
    with open_engine(tmp_path) as (_, address):
        client = Client(address, signed)
        with pytest.raises(Refusal, match="token"):
            client.connect()
        client.close()
        socket = raw(address)
        answer = ask(socket, b'{"type":"cancel_all","account":"demo"}')
        assert (answer["reason"], answer["field"]) == ("not_authorized", "token")
        socket.close()


def test_a_session_is_bound_to_its_accounts(tmp_path: Path) -> None:
    with open_engine(tmp_path) as (_, address), logged_in(address) as admin:
        define(admin, "demo", "other")
        [resting] = admin.submit([limit("buy", 1, "190.00", account="other")])
        with logged_in(address, token("t", "trader", ("demo",))) as trader:
            assert trader.directory.session.account_ids == {"demo": 1}
            [mine] = trader.submit([limit("buy", 1, "190.00")])
            assert mine.outcome == "accepted"
            records = np.zeros(1, COMMAND)
            records["type"], records["account"], records["order_id"] = 2, 2, int(resting.order_id or 0)
            [reply] = trader.submit_records(records)
            assert (reply["outcome"], reply["seq"], reply["reason"]) == (2, 0, 7)
            with pytest.raises(Refusal, match="account"):
                trader.status("other", order_id=resting.order_id)
            with pytest.raises(Refusal, match="may not administer"):
                define(trader, "mine")
            assert trader.status("demo", order_id=resting.order_id) is None
        with logged_in(address, token("v", "viewer", ("demo",))) as viewer:
            [refused] = viewer.submit([limit("buy", 1, "190.00")])
            assert refused.reason == "not_authorized"
        assert admin.depth("AAPL").bids == [("190.00", "2", 2)]


def test_a_session_cannot_name_another_actor(tmp_path: Path) -> None:
    with open_engine(tmp_path) as (server, address), logged_in(address) as admin:
        define(admin, "demo")
        seen: list[Any] = []
        submit = server._sequencer.submit
        server._sequencer.submit = lambda records: (seen.append(records.copy()), submit(records))[1]  # type: ignore[method-assign]
        with logged_in(address, token("mallory", "trader", ("demo",))) as trader:
            trader.submit([limit("buy", 1, "190.00")], actor="alice")
        assert [record["actor"] for records in seen for record in records] == [b"mallory"]


def test_a_list_is_answered_in_order(tmp_path: Path) -> None:
    with open_engine(tmp_path) as (_, address), logged_in(address) as admin:
        define(admin, "demo")
        socket = raw(address)
        ask(socket, msgspec.json.encode({"type": "login", "token": token()}))
        answers = ask(
            socket,
            msgspec.json.encode(
                [
                    {
                        "type": "new",
                        "account": "demo",
                        "symbol": "AAPL",
                        "side": "buy",
                        "quantity": 5,
                        "limit_price": 1,
                    },
                    {
                        "type": "new",
                        "account": "demo",
                        "symbol": "AAPL",
                        "side": "buy",
                        "quantity": 0,
                        "limit_price": 1,
                    },
                    {"type": "ping"},
                    {"type": "dance"},
                    {"type": "cancel_all", "account": "demo"},
                ]
            ),
        )
        assert [a.get("outcome", a.get("type")) for a in answers] == [
            "accepted", "rejected", "pong", "rejected", "accepted",
        ]  # fmt: skip
        assert answers[1]["field"] == "quantity"
        assert answers[4]["affected"] == 1
        socket.close()


def test_a_full_disk_refuses_orders_and_takes_cancels(tmp_path: Path) -> None:
    with open_engine(tmp_path) as (server, address), logged_in(address) as client:
        define(client, "demo")
        client.submit([limit("buy", 1, "190.00", client_order_id="resting")])
        with full_disk(server):
            replies = client.submit(
                [
                    limit("buy", 1, "190.00", client_order_id="a"),
                    Cancel(account="demo", client_order_id="resting"),
                    Replace(account="demo", client_order_id="resting", symbol="AAPL", quantity=Decimal(2)),
                ]
            )
            assert [(r.outcome, r.reason) for r in replies] == [
                ("rejected", "busy"),
                ("accepted", None),
                ("rejected", "busy"),
            ]
            assert (replies[0].seq, replies[0].durability, replies[1].durability) == (0, None, "journaled")
            assert client.administer(DefineAccount(account="late")).reason == "busy"
        [taken] = client.submit([limit("buy", 1, "190.00", client_order_id="a")])
        assert (taken.outcome, taken.seq) == ("accepted", replies[1].seq + 1)


def test_orders_wait_for_kafka_only_so_long(tmp_path: Path) -> None:
    """Past the cap of journal that nobody has published, new orders are refused and cancels are not."""
    with open_engine(tmp_path, most_unpublished=1 << 20) as (_, address), logged_in(address) as client:
        define(client, "demo")
        client.submit([limit("buy", 1, "190.00", client_order_id="resting")])
        records = np.zeros(10_000, COMMAND)
        records["type"], records["account"], records["order_id"] = 2, 1, 77
        client.submit_records(records)
        until(lambda: client.submit([limit("buy", 1, "190.00")])[0].reason == "busy")
        [canceled] = client.submit([Cancel(account="demo", client_order_id="resting")])
        assert canceled.outcome == "accepted"


def test_a_full_disk_loses_no_order_from_kafka(tmp_path: Path) -> None:
    """What did not get into the journal is read again, also where a smaller record behind it would have fitted."""
    with open_engine(tmp_path) as (server, address), logged_in(address) as client:
        define(client, "demo")
    sequencer = Sequencer(Core(max_orders=10_000), tmp_path)
    orders = [as_json(limit("buy", 1, "190.00", client_order_id=f"k{offset}")) for offset in range(10)]
    topic = Topic([*orders, b"no json", as_json(CancelAll(account="demo"))])
    server = Server(free_address(), sequencer, topic, SECRET)  # type: ignore[arg-type]
    with full_disk(server):
        server.step()
        assert sequencer.next_offsets == {}

    def is_read() -> bool:
        server.step()
        return sequencer.next_offsets == {0: 12}

    until(is_read)
    assert all(sequencer.core.find_client(1, f"k{offset}") for offset in range(10))
    server.close()


class Topic:
    """The Kafka door as the server sees it, with records in a list."""

    def __init__(self, values: list[bytes], size: int = 1000) -> None:
        """`size`: records at once."""
        self._values = values
        self._size = size
        self._next = 0

    def poll(self) -> Arrived:
        first, self._next = self._next, min(self._next + self._size, len(self._values))
        found = self._values[first : self._next]
        none: list[bytes | None] = [None] * len(found)
        return Arrived(found, none, [0] * len(found), list(range(first, self._next)), none)

    def rewind(self, next_offsets: dict[int, int]) -> None:
        self._next = next_offsets.get(0, 0)

    def close(self) -> None:
        pass


MIXED = (
    limit("buy", 1, "190.00", client_order_id="k1"),
    limit("buy", 2, "190.00", client_order_id="k2"),
    Replace(account="demo", client_order_id="k2", quantity=Decimal(5)),  # its symbol: of the order just before
    limit("sell", 1, "190.00", client_order_id="k3"),
    b"no json",
    limit("buy", 3, "190.005", client_order_id="k4"),  # not on a tick
    limit("buy", 3, "189.00"),  # without an id
    limit("buy", 3, "189.00", client_order_id="k5", transact_ns=5),
    limit("buy", 3, "189.00", client_order_id="k6", account="nobody"),
    Cancel(account="demo", client_order_id="k9"),
    Replace(account="demo", client_order_id="k9", quantity=Decimal(5)),
    limit("buy", 4, "188.00", client_order_id="k7"),
    Cancel(account="demo", client_order_id="k7"),
    CancelAll(account="demo"),
)


def test_orders_from_kafka_keep_their_order_among_refusals(tmp_path: Path) -> None:
    """A batch, in which most is read by compiled code, gives what the records give one by one by the long way."""

    def journaled(folder: Path, size: int, *, long_way: bool) -> tuple[list[Any], str]:
        sequencer = Sequencer(Core(max_orders=1000), folder, clock=lambda: 1)
        for command in (AAPL, DefineAccount(account="demo", deposit=Decimal(1_000_000))):
            sequencer.administer(command, Source.SYSTEM, "")
        topic = Topic([value if isinstance(value, bytes) else as_json(value) for value in MIXED], size)
        server = Server("inproc://mixed", sequencer, topic, SECRET, clock_ns=lambda: 1)  # type: ignore[arg-type]
        if long_way:
            server._arrivals._decoder.decode = lambda values: (  # type: ignore[method-assign]
                np.zeros(len(values), COMMAND),
                np.zeros(len(values), np.bool_),
            )
        while sequencer.next_offsets != {0: len(MIXED)}:
            server._arrivals.step()
            server._batch.flush()
        hashed = sequencer.core.state_hash()
        server.close()
        commands: list[Any] = []
        reader = Reader(folder)
        for frame in reader.frames():
            commands += [frame.entry] if frame.records is None else frame.records.tolist()
        reader.close()
        return commands, hashed

    expected = journaled(tmp_path / "long", 1, long_way=True)
    assert len(expected[0]) == 2 + len(MIXED)
    assert sum(isinstance(command, tuple) for command in expected[0]) == 9
    for size in (1, 4, len(MIXED)):
        assert journaled(tmp_path / f"batch{size}", size, long_way=False) == expected


@pytest.mark.parametrize("name", ["strategy", "client_order_id"])
@pytest.mark.parametrize("text", [b"a\0b", b"a b", b"\xff"])
def test_text_in_records_is_printable(tmp_path: Path, name: str, text: bytes) -> None:
    with open_engine(tmp_path) as (_, address), logged_in(address) as client:
        define(client, "demo")
        records = np.zeros(2, COMMAND)
        records["type"], records["account"], records["instrument"], records["client_order_id"] = 2, 1, 1, b"x"
        records[name][1] = text
        replies = client.submit_records(records)
        assert [FIELDS[field] for field in replies["field"]] == ["client_order_id", name]
        assert replies["seq"].tolist() == [3, 0]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"magic": b"FTP"}, "magic"),
        ({"version": 9}, "version"),
        ({"kind": 2}, "kind"),
        ({"flags": 1}, "flags"),
        ({"record_size": 10}, "record_size"),
        ({"count": 2}, "count"),
        ({"count": 0}, "count"),
        ({"count": 1 << 30}, "count"),
    ],
)
def test_a_wrong_head_names_the_field(tmp_path: Path, change: dict[str, Any], field: str) -> None:
    frame = bytearray(frames.encode(FrameKind.COMMANDS, np.zeros(1, COMMAND)))
    head = np.frombuffer(frame, HEADER, 1)
    for name, value in change.items():
        head[name] = value
    with open_engine(tmp_path) as (_, address):
        socket = raw(address)
        ask(socket, msgspec.json.encode({"type": "login", "token": token()}))
        assert ask(socket, bytes(frame))["field"] == field
        socket.close()


@pytest.mark.parametrize(("at_once_ns", "journaled"), [(0, [1, 1, 1]), (10**12, [3])])
def test_messages_that_were_there_already_make_one_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once_ns: int, journaled: list[int]
) -> None:
    """One that was waited for is carried out alone, without a look at what came behind it."""
    monkeypatch.setattr(zeromq_door, "AT_ONCE_NS", at_once_ns)
    server = new_server(tmp_path, f"ipc://{tmp_path}/engine.ipc")
    socket = zmq.Context.instance().socket(zmq.DEALER)
    socket.connect(f"ipc://{tmp_path}/engine.ipc")
    socket.send_multipart([b"", msgspec.json.encode({"type": "login", "token": token()})])
    for command in (AAPL, DefineAccount(account="demo")):
        socket.send_multipart([b"", as_json(command)])
    until(lambda: bool(server.step() or server._sequencer.last_seq == 2))
    for _ in range(3):
        socket.send_multipart([b"", as_json(limit("buy", 1, "190.00"))])
    time.sleep(0.2)
    until(lambda: bool(server.step() or server._sequencer.last_seq == 5))
    assert [socket.recv_multipart()[0] for _ in range(6)] == [b""] * 6
    socket.close()
    server.close()
    reader = Reader(tmp_path)
    assert [frame.size for frame in reader.frames()][2:] == journaled
    reader.close()


EXITS = OrderList(
    account="demo",
    symbol="AAPL",
    list_type="oco",
    orders=[
        ListedOrder(side="sell", quantity=Decimal(5), limit_price=Decimal("195.00"), client_order_id="profit"),
        ListedOrder(side="sell", quantity=Decimal(5), limit_price=Decimal("196.00")),
    ],
)


def test_an_order_list_has_one_reply_with_its_legs(tmp_path: Path) -> None:
    with open_engine(tmp_path) as (_, address), logged_in(address) as client:
        define(client, "demo")
        [before, reply, after] = client.submit([limit("buy", 1, "190.00"), EXITS, limit("buy", 1, "191.00")])
        assert [before.outcome, reply.outcome, after.outcome] == ["accepted"] * 3
        assert reply.orders is not None
        assert [leg.seq for leg in reply.orders] == [before.seq + 1, before.seq + 2]
        assert after.seq == before.seq + 3
        assert reply.orders[0].client_order_id == "profit"
        assert reply.orders[1].client_order_id
        socket = raw(address)
        ask(socket, msgspec.json.encode({"type": "login", "token": token()}))
        other = msgspec.json.decode(msgspec.json.encode(EXITS).replace(b"profit", b"again"))
        answer = ask(socket, msgspec.json.encode(other))
        assert [leg["outcome"] for leg in answer["orders"]] == ["accepted", "accepted"]
        refused = ask(socket, msgspec.json.encode(other | {"orders": other["orders"][:1]}))
        assert (refused["reason"], refused["field"], refused["seq"]) == ("invalid_list", "orders", 0)
        socket.close()
