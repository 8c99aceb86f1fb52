"""Mutated messages, without sockets: each gets an answer, and none changes the state. `HFT_FUZZ_FRAMES` says how many;
`HFT_FUZZ_SEED` repeats a run."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq

from engine import frames
from engine.batch import Batch
from engine.core import Core
from engine.drop_copy import DropCopy
from engine.layout import COMMAND
from engine.market_data import MarketData
from engine.messages import DefineAccount
from engine.requests import Requests
from engine.revocations import RevocationFile, Revocations
from engine.sequencer import Sequencer
from engine.sessions import Sessions
from engine.words import FrameKind, Source
from engine.zeromq_door import Door
from tests.engine.doors import AAPL, SECRET, token

FRAMES = int(os.environ.get("HFT_FUZZ_FRAMES", "20000"))
SEED = int(os.environ.get("HFT_FUZZ_SEED", "7"))
NOBODY, VIEWER, STRANGER, OWNER = b"\0n", b"\0v", b"\0s", b"\0o"
HEAD = 24
ENVELOPES: tuple[list[bytes], ...] = ([], [b""], [b"12345678"])


class Outbox:
    """What the door sends, instead of a socket."""

    def __init__(self) -> None:
        self.sent: list[list[bytes]] = []
        self._parts: list[bytes] = []

    def send(self, part: bytes, flags: int) -> None:
        self._parts.append(part)
        if not flags & zmq.SNDMORE:
            self.sent.append(self._parts)
            self._parts = []


def order_records(count: int) -> np.ndarray:
    records = np.zeros(count, COMMAND)
    records["type"], records["account"], records["instrument"] = np.arange(count) % 4 + 1, 1, 1
    records["side"], records["order_type"], records["time_in_force"] = 1, 2, 1
    records["quantity"], records["limit_price"], records["order_id"] = 5, 19000, np.where(np.arange(count) % 4, 3, 0)
    records["client_order_id"] = b"some-order"
    return records


def list_records() -> np.ndarray:
    records = order_records(4)
    records["type"], records["flags"] = 1, 16
    return records


ORDER = {"type": "new", "account": "demo", "symbol": "AAPL", "side": "buy", "quantity": "5", "limit_price": "190.00"}
TEXTS: tuple[Any, ...] = (
    ORDER,
    {"type": "cancel", "account": "demo", "order_id": "3"},
    {"type": "replace", "account": "demo", "order_id": "3", "quantity": "4"},
    {"type": "cancel_all", "account": "demo"},
    {"type": "order_list", "account": "demo", "symbol": "AAPL", "list_type": "oco", "orders": [ORDER, ORDER]},
    {"type": "deposit", "account": "demo", "amount": "1"},
    {"type": "kill"},
    {"type": "status", "account": "demo", "order_id": "3"},
    {"type": "depth", "symbol": "AAPL", "levels": 10},
    {"type": "trades", "symbol": "AAPL", "first": 1},
    {"type": "subscribe", "account": "demo"},
    {"type": "login", "token": token("t", "trader", ("other",)), "cancel_on_disconnect": True},
    [ORDER, {"type": "ping"}, {"type": "market_data", "symbol": "AAPL"}],
)
ROWS = (*map(order_records, (1, 4, 50)), list_records())
BINARY = tuple(frames.encode(FrameKind.COMMANDS, rows) for rows in ROWS)
MESSAGES = (*BINARY, *(json.dumps(text).encode() for text in TEXTS))


class Desk:
    """The door of a real engine, with an order in its book and four connections."""

    def __init__(self, folder: Path) -> None:
        self.sequencer = Sequencer(Core(max_orders=1000), folder)
        for command in (AAPL, DefineAccount(account="demo"), DefineAccount(account="other")):
            self.sequencer.administer(command, Source.SYSTEM, "")
        self.outbox = Outbox()
        self.batch = Batch(self.sequencer, most_unpublished=1 << 40)
        sessions = Sessions(SECRET, time.time_ns, lambda session: drop_copy.forget(session))
        self.door = Door(self.outbox, self.sequencer.core, self.batch, sessions, time.time_ns)
        drop_copy = DropCopy(self.door.send_to, 0)
        self.batch.follow(drop_copy.publish)
        self.context: zmq.Context[Any] = zmq.Context()
        self.market_data = MarketData(self.context, "inproc://fuzz", self.sequencer.core, time.time_ns)
        self.batch.follow(self.market_data.follow)
        self.door.requests = Requests(
            self.sequencer,
            self.batch,
            sessions,
            drop_copy,
            self.market_data,
            time.time_ns,
            Revocations(),
            RevocationFile(folder),
        )
        known = ((VIEWER, "viewer", "demo"), (STRANGER, "trader", "x"), (OWNER, "trader", "demo"))
        for routing_id, role, account in known:
            sessions.login(routing_id, token("fuzz", role, (account,)))
        assert len(self.say(OWNER, [], frames.encode(FrameKind.COMMANDS, order_records(1)))) == 1
        assert self.sequencer.core.depth(1, 1)[0].tolist() == [[19000, 5, 1]]

    def say(self, routing_id: bytes, envelope: list[bytes], payload: bytes) -> list[list[bytes]]:
        self.outbox.sent.clear()
        self.door.take([routing_id, *envelope, payload])
        self.batch.flush()
        return self.outbox.sent


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    desk = Desk(tmp_path_factory.mktemp("fuzz"))
    yield desk
    desk.market_data.close()
    desk.context.term()
    desk.sequencer.close()


def mutated(rng: random.Random, message: bytes) -> bytes:
    """Bytes changed, cut off, put in, or doubled."""
    data = bytearray(message)
    for _ in range(rng.randint(1, 4)):
        place = rng.randrange(len(data)) if data else 0
        match rng.randrange(6):
            case 0 | 1 if data:
                data[place] = rng.randrange(256)
            case 2 if data:
                data[place] ^= 1 << rng.randrange(8)
            case 3:
                del data[place:]
            case 4:
                data[place:place] = rng.randbytes(rng.randint(1, 9))
            case 5:
                data += data[place : place + 300]
    return bytes(data)


def test_mutated_messages_change_nothing(desk: Desk) -> None:
    """From connections that may do nothing to this account, whatever the bytes come to mean."""
    rng = random.Random(SEED)
    before, seq = desk.sequencer.core.state_hash(), desk.sequencer.last_seq
    for number in range(FRAMES):
        payload = mutated(rng, rng.choice(MESSAGES))
        envelope = rng.choice(ENVELOPES)
        answers = desk.say(rng.choice((NOBODY, VIEWER, STRANGER)), envelope, payload)
        assert desk.sequencer.last_seq == seq, f"frame {number} of seed {SEED} was sequenced: {payload!r}"
        assert [answer[1:-1] for answer in answers] == [envelope], f"frame {number} of seed {SEED}: {payload!r}"
    assert desk.sequencer.core.state_hash() == before


def test_a_mutated_head_changes_nothing(desk: Desk) -> None:
    """From the owner of the account: nothing in a frame is taken whose head is not right to the bit."""
    rng = random.Random(SEED)
    before = desk.sequencer.core.state_hash()
    for _ in range(FRAMES // 4):
        data = bytearray(rng.choice(BINARY))
        place = rng.randrange(12)  # what follows is the second and the request's number, which may be any
        data[place] ^= 1 << rng.randrange(8)
        [answer] = desk.say(OWNER, [], bytes(data))
        assert json.loads(answer[-1])["reason"] in ("malformed", "missing_field", "invalid_field")
    assert desk.sequencer.core.state_hash() == before


@pytest.mark.parametrize("message", BINARY)
def test_every_truncation_is_answered(desk: Desk, message: bytes) -> None:
    before = desk.sequencer.core.state_hash()
    for end in (*range(HEAD + 20), *range(HEAD + 20, len(message), 97), len(message) - 1):
        [answer] = desk.say(OWNER, [], message[:end])
        assert json.loads(answer[-1])["reason"] == "malformed"
    assert desk.sequencer.core.state_hash() == before
