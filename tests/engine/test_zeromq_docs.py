"""docs/zeromq.md: the tables of bytes are those of the dtypes, and a client made from the page alone is understood."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq

from engine.layout import BOOK, COMMAND, HEADER, HEARTBEAT, LEVEL, REPLY, REPORT, TRADE
from engine.requests import ADMINISTRATIVE_TYPES
from engine.zeromq_door import ORDER_TYPES
from tests.engine.doors import define, free_address, logged_in, open_engine, token

PAGE = (Path(__file__).parents[2] / "docs" / "zeromq.md").read_text()
SIZES = {"u64": 8, "i64": 8, "u32": 4, "i32": 4, "u16": 2, "u8": 1}
HEAD = "<3sBBBHIIQ"


def size_of(kind: str) -> int:
    return SIZES.get(kind) or int(kind.split()[0])


@pytest.mark.parametrize(
    ("dtype", "title"),
    [(COMMAND, "command"), (REPLY, "reply"), (REPORT, "report"), (TRADE, "trade"), (BOOK, "book"), (HEADER, "head")],
)
def test_offsets_are_those_of_the_page(dtype: np.dtype, title: str) -> None:
    table = PAGE.split(f"| offset | type | {title} |")[1].split("\n\n")[0]
    rows = re.findall(r"^\| (\d+) \| ([^|]+) \| `(\w+)`", table, re.MULTILINE)
    assert dtype.fields is not None
    assert {name: (int(offset), size_of(kind)) for offset, kind, name in rows} == {
        name: (field[1], field[0].itemsize) for name, field in dtype.fields.items() if name != "pad"
    }
    assert f"has {dtype.itemsize} bytes" in PAGE or f"{title} of {dtype.itemsize} bytes" in PAGE
    assert LEVEL.itemsize == 24
    assert HEARTBEAT.itemsize == 16


@pytest.mark.parametrize("kind", sorted(ORDER_TYPES | ADMINISTRATIVE_TYPES))
def test_every_type_of_request_is_on_the_page(kind: str) -> None:
    assert f"`{kind}`" in PAGE or f'"type":"{kind}"' in PAGE


@pytest.fixture
def dealer() -> Iterator[zmq.Socket[bytes]]:
    socket = zmq.Context.instance().socket(zmq.DEALER)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.RCVTIMEO, 10_000)
    yield socket
    socket.close()


def ask(socket: zmq.Socket[bytes], payload: bytes, number: bytes = b"1") -> bytes:
    """The answer with that number; what is no reply is passed over, as the page says."""
    socket.send_multipart([number, payload])
    while True:
        parts = socket.recv_multipart()
        if parts[:-1] == [number]:
            return parts[-1]


def head_of(count: int, request_id: int, size: int = 192) -> bytes:
    return struct.pack(HEAD, b"HFT", 1, 1, 0, size, count, 0, request_id)


def order(account: int, instrument: int, side: int, quantity: int, price: int, name: bytes, flags: int = 0) -> bytes:
    command = bytearray(192)
    struct.pack_into("<qq", command, 32, quantity, price)
    struct.pack_into("<II", command, 92, account, instrument)
    struct.pack_into("<BBBBB", command, 100, 1, side, 2, 2, flags)
    command[144 : 144 + len(name)] = name
    return bytes(command)


def test_the_bytes_of_the_page_make_an_order(tmp_path: Path, dealer: zmq.Socket[bytes]) -> None:
    with open_engine(tmp_path) as (_, address), logged_in(address) as admin:
        define(admin, "demo")
        dealer.connect(address)
        session = json.loads(
            ask(dealer, json.dumps({"type": "login", "token": token("t", "trader", ("demo",))}).encode())
        )
        account, instrument = session["account_ids"]["demo"], session["instruments"][0]["instrument_id"]
        answer = ask(dealer, head_of(1, 42) + order(account, instrument, 1, 7, 19_000, b"first"))
        assert struct.unpack_from(HEAD, answer) == (b"HFT", 1, 2, 0, 64, 1, 0, 42)
        seq, order_id, quantity, filled, leaves, _ = struct.unpack_from("<QQqqqq", answer, 24)
        assert (seq, order_id, quantity, filled, leaves) == (3, 3, 7, 0, 7)
        assert answer[24 + 48] == 1
        assert answer[24 + 52] == 1
        assert admin.depth("AAPL").bids == [("190.00", "7", 1)]
        leg = order(account, instrument, 2, 7, 19_500, b"alone", flags=1 << 4)
        refused = ask(dealer, head_of(1, 43) + leg)
        assert struct.unpack_from("<QQ", refused, 24) == (0, 0)
        assert refused[24 + 48] == 2


def test_the_bytes_of_the_page_follow_an_account_and_the_market(tmp_path: Path, dealer: zmq.Socket[bytes]) -> None:
    published = free_address()
    with open_engine(tmp_path, market_data=published) as (_, address), logged_in(address) as admin:
        define(admin, "demo", "other")
        market = zmq.Context.instance().socket(zmq.SUB)
        market.setsockopt(zmq.LINGER, 0)
        market.setsockopt(zmq.RCVTIMEO, 10_000)
        for topic in (b"trades|AAPL|", b"books|AAPL|", b"heartbeat|"):
            market.setsockopt(zmq.SUBSCRIBE, topic)
        market.connect(published)
        assert wait_for(market, b"heartbeat|")[24:32] == struct.pack("<Q", 3)
        login: dict[str, Any] = {"type": "login", "token": token("t", "trader", ("demo", "other"))}
        dealer.connect(address)
        ask(dealer, json.dumps(login | {"cancel_on_disconnect": True}).encode())
        assert json.loads(ask(dealer, b'{"type":"subscribe","account":"demo"}'))["account_id"] == 1
        rows = order(1, 1, 1, 7, 19_000, b"buy") + order(2, 1, 2, 3, 18_900, b"sell")
        dealer.send_multipart([b"2", head_of(2, 1) + rows])
        reports = b""
        while len(reports) < 2 * 232:
            parts = dealer.recv_multipart()
            if len(parts) == 1 and parts[0]:
                version, kind, _, size, count, _, first = struct.unpack_from("<BBBHIIQ", parts[0], 3)
                assert (version, kind, size, first) == (1, 3, 232, len(reports) // 232 + 1)
                assert len(parts[0]) == 24 + 232 * count
                reports += parts[0][24:]
        assert struct.unpack_from("<qq", reports, 232 + 112) == (3, 19_000)
        assert reports[232 + 152 : 232 + 154] == bytes([2, 3])
        assert reports[232 + 184 : 232 + 188] == b"buy\0"
        trade = wait_for(market, b"trades|AAPL|")
        assert struct.unpack_from("<BBBHI", trade, 3) == (1, 4, 0, 56, 1)
        assert struct.unpack_from("<qqIIBB", trade, 24 + 24) == (19_000, 3, 1, 1, 2, 2)
        book = wait_for(market, b"books|AAPL|")
        while book[24 + 37] == 0:
            book = wait_for(market, b"books|AAPL|")
        assert (book[24 + 36], book[24 + 37], book[24 + 38]) == (3, 1, 0)
        assert struct.unpack_from("<qqI", book, 24 + 40) == (19_000, 4, 1)
        market.close()


def wait_for(socket: zmq.Socket[bytes], topic: bytes) -> bytes:
    while True:
        found, payload = socket.recv_multipart()
        if found == topic:
            return payload


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        (b"", "header"),
        (b"HFT", "header"),
        (b"GET / HTTP/1.1\r\n\r\n1234567890", "magic"),
        (struct.pack(HEAD, b"HFT", 2, 1, 0, 192, 1, 0, 1) + bytes(192), "version"),
        (struct.pack(HEAD, b"HFT", 1, 2, 0, 192, 1, 0, 1) + bytes(192), "kind"),
        (struct.pack(HEAD, b"HFT", 1, 1, 1, 192, 1, 0, 1) + bytes(192), "flags"),
        (struct.pack(HEAD, b"HFT", 1, 1, 0, 64, 3, 0, 1) + bytes(192), "record_size"),
        (head_of(2, 1) + bytes(192), "count"),
        (head_of(1, 1) + bytes(193), "count"),
        (head_of(65_537, 1) + bytes(192), "count"),
    ],
)
def test_a_wrong_frame_is_answered_with_its_field(
    tmp_path: Path, dealer: zmq.Socket[bytes], payload: bytes, field: str
) -> None:
    with open_engine(tmp_path) as (_, address):
        dealer.connect(address)
        ask(dealer, json.dumps({"type": "login", "token": token()}).encode())
        answer = json.loads(ask(dealer, payload))
        assert (answer["outcome"], answer["reason"], answer["field"]) == ("rejected", "malformed", field)


def test_an_oversized_message_closes_the_connection_and_nothing_else(tmp_path: Path, dealer: zmq.Socket[bytes]) -> None:
    with open_engine(tmp_path) as (_, address), logged_in(address) as admin:
        define(admin, "demo")
        dealer.connect(address)
        ask(dealer, json.dumps({"type": "login", "token": token()}).encode())
        dealer.send_multipart([b"2", bytes((16 << 20) + 1)])
        dealer.send_multipart([b"3", b'{"type":"directory"}'])
        answer = json.loads(dealer.recv_multipart()[-1])
        assert answer["reason"] == "not_authorized", "a new connection, that has to log in"
        assert admin.ping() == 2
