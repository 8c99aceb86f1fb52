"""docs/zeromq.md: the tables of bytes are those of the dtypes, and a client made from the page alone is understood."""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path

import numpy as np
import pytest
import zmq

from engine.layout import COMMAND, HEADER, REPLY
from tests.engine.doors import define, logged_in, open_engine, token

PAGE = (Path(__file__).parents[2] / "docs" / "zeromq.md").read_text()


@pytest.mark.parametrize(("dtype", "title"), [(COMMAND, "command"), (REPLY, "reply")])
def test_offsets_are_those_of_the_page(dtype: np.dtype, title: str) -> None:
    table = PAGE.split(f"| offset | type | {title} |")[1].split("\n\n")[0]
    rows = re.findall(r"^\| (\d+) \| ([^|]+) \| `(\w+)`", table, re.MULTILINE)
    sizes = {"u64": 8, "i64": 8, "u32": 4, "i32": 4, "u8": 1, "16 bytes": 16, "20 bytes": 20, "48 bytes": 48}
    assert dtype.fields is not None
    assert {name: (int(offset), sizes[kind]) for offset, kind, name in rows} == {
        name: (field[1], field[0].itemsize) for name, field in dtype.fields.items() if name != "pad"
    }
    assert f"has {dtype.itemsize} bytes" in PAGE
    assert f"head of {HEADER.itemsize} bytes" in PAGE


def test_the_bytes_of_the_page_make_an_order(tmp_path: Path) -> None:
    with open_engine(tmp_path) as (_, address):
        with logged_in(address) as admin:
            define(admin, "demo")
        socket = zmq.Context.instance().socket(zmq.REQ)
        socket.setsockopt(zmq.LINGER, 0)
        socket.connect(address)
        socket.send_string(json.dumps({"type": "login", "token": token("t", "trader", ("demo",))}))
        session = json.loads(socket.recv())
        command = bytearray(192)
        struct.pack_into("<qq", command, 32, 7, 19_000)
        struct.pack_into("<II", command, 92, session["account_ids"]["demo"], session["instruments"][0]["instrument_id"])
        struct.pack_into("<BBBB", command, 100, 1, 1, 2, 2)
        command[144:149] = b"first"
        head = struct.pack("<3sBBBHI4xQ", b"HFT", 1, 1, 0, 192, 1, 42)
        socket.send(head + command)
        answer = socket.recv()
        assert struct.unpack_from("<3sBBBHI4xQ", answer) == (b"HFT", 1, 2, 0, 64, 1, 42)
        seq, order_id, quantity, filled, leaves, _ = struct.unpack_from("<QQqqqq", answer, 24)
        assert (seq, order_id, quantity, filled, leaves) == (3, 3, 7, 0, 7)
        assert answer[24 + 48] == 1
        assert admin_depth(address) == [("190.00", "7", 1)]
        socket.close()


def admin_depth(address: str) -> list[tuple[str, str, int]]:
    with logged_in(address) as client:
        return client.depth("AAPL").bids
