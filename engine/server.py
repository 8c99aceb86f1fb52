"""The engine process: a ZeroMQ ROUTER and the topic `orders`, merged into one order by a single thread."""

from __future__ import annotations

import logging
import signal
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
import zmq
from numpy.typing import NDArray

from engine import frames, replies
from engine.core import Core
from engine.decode import decode, order_number, parse, parse_administrative, read_json
from engine.ingress import Arrival, Ingress, refused
from engine.instruments import load
from engine.layout import REPLY
from engine.messages import (
    AdministrativeCommand,
    Book,
    NewOrder,
    OrderCommand,
    Refused,
    Replace,
    Reply,
    Session,
    Unreadable,
    as_json,
)
from engine.records import book_record, instrument_record
from engine.refusal import Refusal
from engine.sequencer import Sequencer
from engine.sessions import NOT_YOUR_TIME, Sessions, check_command, refused_records, stamp_records
from engine.tokens import EVERY_ACCOUNT, Identity
from engine.words import Durability, FrameKind, Outcome, Reason, Source

log = logging.getLogger(__name__)

IDLE_MS: Final = 1
"""How long the thread waits for ZeroMQ before it looks at Kafka again."""
MOST_MESSAGES: Final = 512
"""ZeroMQ messages taken before replies go out."""
LARGEST_MESSAGE: Final = 16 << 20
LARGEST_BATCH: Final = 8192
"""Commands that are journaled as one frame and answered together, a frame's last ones aside."""
MOST_LEVELS: Final = 1000
FULL_SECONDS: Final = 0.2
"""How long the thread rests when the disk takes nothing, before it reads Kafka's records again."""

ORDER_TYPES: Final = frozenset({"new", "cancel", "replace", "cancel_all"})
ADMINISTRATIVE_TYPES: Final = frozenset({"instrument", "account", "deposit", "print"})


class Request(msgspec.Struct):
    """The fields of requests that are no commands; which of them count depends on `type`."""

    type: str
    token: str = ""
    account: str = ""
    client_order_id: str | None = None
    order_id: str | None = None
    symbol: str = ""
    levels: int = 10


_request_decoder: Final = msgspec.json.Decoder(Request)
_list_decoder: Final = msgspec.json.Decoder(list[msgspec.Raw])


class Waiting(NamedTuple):
    """Records that wait for the next batch, and who is told what became of them."""

    records: NDArray[Any]
    answer: Callable[[NDArray[Any]], None] | None


class Server:
    """One shard's doors and its thread."""

    def __init__(self, address: str, sequencer: Sequencer, ingress: Ingress, secret: str) -> None:
        """Raises zmq.ZMQError where the address is taken."""
        self._sequencer = sequencer
        self._core = sequencer.core
        self._ingress = ingress
        self._sessions = Sessions(secret)
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.setsockopt(zmq.LINGER, 500)
        self._socket.setsockopt(zmq.SNDHWM, 100_000)
        self._socket.setsockopt(zmq.RCVHWM, 100_000)
        self._socket.setsockopt(zmq.MAXMSGSIZE, LARGEST_MESSAGE)
        self._socket.bind(address)
        self._waiting: list[Waiting] = []
        self._full = False
        self._lost = False
        """Whether records from Kafka did not get into the journal, and must be read again."""
        self.stopped = False

    # ------------------------------------------------------------------------------------------------ the loop

    def serve(self) -> None:
        """Until `stopped`."""
        while not self.stopped:
            self.step()

    def step(self) -> None:
        """One round: what has arrived at both doors is sequenced, journaled, applied and answered."""
        if self._socket.poll(IDLE_MS):
            for _ in range(MOST_MESSAGES):
                try:
                    parts = self._socket.recv_multipart(zmq.NOBLOCK)
                except zmq.Again:
                    break
                self._receive(parts)
                if sum(len(item.records) for item in self._waiting) >= LARGEST_BATCH:
                    self.flush()
        for arrival in self._ingress.poll():
            self._arrive(arrival)
            if self._lost:
                break
        self.flush()
        if self._lost:
            self._lost = False
            time.sleep(FULL_SECONDS)
            self._ingress.rewind(self._sequencer.next_offsets)

    def flush(self) -> None:
        """Sequences the waiting records as one batch."""
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        records = np.concatenate([item.records for item in waiting])
        try:
            answers = self._sequencer.submit(records).replies
            answers["durability"] = int(Durability.JOURNALED)
            self._note_full(False)
        except OSError as error:
            self._note_full(True, error)
            self._lost |= any(item.answer is None for item in waiting)
            answers = np.zeros(len(records), REPLY)
            answers["outcome"], answers["reason"] = int(Outcome.REJECTED), int(Reason.BUSY)
        start = 0
        for item in waiting:
            end = start + len(item.records)
            if item.answer is not None:
                item.answer(answers[start:end])
            start = end

    def _note_full(self, full: bool, error: OSError | None = None) -> None:
        if full and not self._full:
            log.error("the journal takes no more commands, orders are answered busy: %s", error)
        if self._full and not full:
            log.info("the journal takes commands again")
        self._full = full

    def close(self) -> None:
        self.flush()
        self._ingress.close()
        self._socket.close()
        self._context.term()
        self._sequencer.close()

    # ------------------------------------------------------------------------------------------- the ZeroMQ door

    def _receive(self, parts: list[bytes]) -> None:
        if len(parts) < 2:
            return
        envelope, payload = parts[:-1], parts[-1]
        try:
            if frames.is_json(payload):
                self._receive_json(envelope, payload)
            else:
                self._receive_records(envelope, payload)
        except Refusal as refusal:
            self._send(envelope, replies.refused(refusal))

    def _send(self, envelope: list[bytes], message: Any) -> None:
        self._send_bytes(envelope, as_json(message))

    def _send_bytes(self, envelope: list[bytes], payload: bytes) -> None:
        """A ROUTER drops what a client that reads nothing has no more room for: `status` tells it later."""
        self._socket.send_multipart([*envelope, payload])

    def _receive_records(self, envelope: list[bytes], payload: bytes) -> None:
        identity = self._sessions.find(envelope[0])
        request_id, records = frames.decode_commands(payload)
        refused_rows = refused_records(identity, records, self._core)
        stamp_records(identity, records)
        good = refused_rows[:, 0] == 0

        def answer(answers: NDArray[Any]) -> None:
            every = answers
            if len(answers) != len(records):
                every = np.zeros(len(records), REPLY)
                every["outcome"] = int(Outcome.REJECTED)
                every["reason"], every["field"] = refused_rows[:, 0], refused_rows[:, 1]
                every[good] = answers
            self._send_bytes(envelope, frames.encode(FrameKind.REPLIES, every, request_id))

        if good.any():
            self._waiting.append(Waiting(records if good.all() else records[good], answer))
        else:
            answer(np.zeros(0, REPLY))

    def _receive_json(self, envelope: list[bytes], payload: bytes) -> None:
        """One request, or a list of them, answered by one reply or a list."""
        if payload[:1] == b"{":
            self._request(envelope[0], payload, lambda message: self._send(envelope, message))
            return
        requests = read_json(payload, _list_decoder)
        if not 0 < len(requests) <= frames.MOST_COMMANDS:
            raise Refusal(Reason.MALFORMED, "", f"a list holds 1 to {frames.MOST_COMMANDS} requests")
        answers: list[Any] = [None] * len(requests)
        missing = len(requests)

        def collect(place: int, message: Any) -> None:
            nonlocal missing
            answers[place] = message
            missing -= 1
            if missing == 0:
                self._send(envelope, answers)

        for place, request in enumerate(requests):
            self._request(envelope[0], bytes(request), lambda message, place=place: collect(place, message))  # type: ignore[misc]

    def _request(self, routing_id: bytes, payload: bytes, answer: Callable[[Any], None]) -> None:
        try:
            request = read_json(payload, _request_decoder)
            if request.type in ORDER_TYPES:
                self._order(self._sessions.find(routing_id), payload, answer)
                return
            self.flush()
            answer(self._answer(routing_id, request, payload))
        except Refusal as refusal:
            answer(replies.refused(refusal))

    def _order(self, identity: Identity, payload: bytes, answer: Callable[[Any], None]) -> None:
        command = parse(payload)
        check_command(identity, command)
        command = self._complete(command)
        client_order_id = getattr(command, "client_order_id", None)
        if isinstance(command, NewOrder) and client_order_id is None:
            client_order_id = uuid.uuid4().hex
        try:
            record = decode(command, self._core.instruments, self._core.accounts)
        except Refusal as refusal:
            answer(replies.refused(refusal, client_order_id))
            return
        if isinstance(command, NewOrder):
            record["client_order_id"] = client_order_id
        stamp_records(identity, record)
        self._waiting.append(
            Waiting(
                record, lambda answers: answer(replies.in_words(answers[0], self._core.instruments, client_order_id))
            )
        )

    def _complete(self, command: OrderCommand) -> OrderCommand:
        """A replace needs its order's symbol, for the tick and the lot; where it names none, the engine knows it."""
        if not isinstance(command, Replace) or command.symbol is not None:
            return command
        self.flush()
        record = self._find(command.account, command.client_order_id, command.order_id)
        if record == 0:
            field = "order_id" if command.order_id is not None else "client_order_id"
            raise Refusal(Reason.UNKNOWN_ORDER, field)
        return msgspec.structs.replace(command, symbol=self._core.order_state(record).symbol)

    def _find(self, account: str, client_order_id: str | None, order_id: str | None) -> int:
        entry = self._core.accounts.find(account)
        if entry is None:
            raise Refusal(Reason.UNKNOWN_ACCOUNT, "account", f"no account is called {account}")
        if order_id is None:
            return self._core.find_client(entry.number, client_order_id or "")
        record = self._core.find_order(order_number(order_id))
        return record if record and self._core.order_state(record).account == account else 0

    # ------------------------------------------------------------------------------------ what is not an order

    def _answer(self, routing_id: bytes, request: Request, payload: bytes) -> Any:
        match request.type:
            case "ping":
                return {"type": "pong", "last_seq": self._sequencer.last_seq}
            case "login":
                return self._session(self._sessions.login(routing_id, request.token))
            case "session":
                return self._session(self._sessions.find(routing_id))
            case "status":
                return self._status(self._sessions.find(routing_id), request)
            case "depth":
                self._sessions.find(routing_id)
                return self._depth(request.symbol, request.levels)
            case kind if kind in ADMINISTRATIVE_TYPES:
                return self._administer(self._sessions.find(routing_id), parse_administrative(payload))
        raise Refusal(Reason.INVALID_FIELD, "type", f"type: {request.type!r} is no command or request")

    def _session(self, identity: Identity) -> Session:
        every = EVERY_ACCOUNT in identity.accounts
        numbers = {e.account: e.number for e in self._core.accounts if every or e.account in identity.accounts}
        return Session(
            actor=identity.actor,
            role=identity.role,
            accounts=list(identity.accounts),
            account_ids=numbers,
            instruments=[instrument_record(entry) for entry in self._core.instruments],
            epoch=self._sequencer.journal.epoch,
            last_seq=self._sequencer.last_seq,
        )

    def _status(self, identity: Identity, request: Request) -> Any:
        if not identity.may_use(request.account):
            raise Refusal(Reason.NOT_AUTHORIZED, "account", f"this session may not act for {request.account}")
        if request.client_order_id is None and request.order_id is None:
            raise Refusal(Reason.MISSING_FIELD, "client_order_id", "client_order_id or order_id must name the order")
        record = self._find(request.account, request.client_order_id, request.order_id)
        if record == 0:
            field = "order_id" if request.order_id is not None else "client_order_id"
            raise Refusal(Reason.UNKNOWN_ORDER, field)
        return self._core.order_state(record)

    def _depth(self, symbol: str, levels: int) -> Book:
        entry = self._core.instruments.find(symbol)
        if entry is None:
            raise Refusal(Reason.UNKNOWN_SYMBOL, "symbol", f"no instrument has the symbol {symbol}")
        if not 1 <= levels <= MOST_LEVELS:
            raise Refusal(Reason.INVALID_FIELD, "levels", f"levels must be 1 to {MOST_LEVELS}")
        return book_record(self._core, entry.number, levels, self._sequencer.last_seq, 0)

    def _administer(self, identity: Identity, command: AdministrativeCommand) -> Reply:
        if not identity.may_administer:
            raise Refusal(Reason.NOT_AUTHORIZED, "token", f"the role {identity.role} may not administer")
        self._core.check(command)
        source = Source.SYSTEM if identity.role == "service" else Source.ZEROMQ
        try:
            answers = self._sequencer.administer(command, source, identity.actor).replies
        except OSError as error:
            self._note_full(True, error)
            raise Refusal(Reason.BUSY, "") from None
        answers["durability"] = int(Durability.JOURNALED)
        return replies.in_words(answers[0], self._core.instruments)

    # -------------------------------------------------------------------------------------------- the Kafka door

    def _arrive(self, arrival: Arrival) -> None:
        command = arrival.command
        if isinstance(command, Refused | Unreadable):
            self._refuse_arrival(arrival, command)
            return
        if command.transact_ns:
            refusal = Refusal(Reason.NOT_AUTHORIZED, "transact_ns", NOT_YOUR_TIME)
            self._refuse_arrival(arrival, refused(msgspec.json.decode(as_json(command)), refusal))
            return
        if isinstance(command, NewOrder) and command.client_order_id is None:
            named = f"kafka-{arrival.partition}-{arrival.offset}"
            command = msgspec.structs.replace(command, client_order_id=named)
        try:
            command = self._complete(command)
            if self._lost:
                return
            record = decode(command, self._core.instruments, self._core.accounts)
        except Refusal as refusal:
            self._refuse_arrival(arrival, refused(msgspec.json.decode(as_json(command)), refusal))
            return
        record["source"] = int(Source.KAFKA)
        record["source_partition"] = arrival.partition
        record["source_offset"] = arrival.offset
        self._waiting.append(Waiting(record, None))

    def _refuse_arrival(self, arrival: Arrival, command: Refused | Unreadable) -> None:
        self.flush()
        if self._lost:
            return
        try:
            self._sequencer.administer(
                command, Source.KAFKA, "", source_partition=arrival.partition, source_offset=arrival.offset
            )
        except OSError as error:
            self._note_full(True, error)
            self._lost = True


def define_instruments(sequencer: Sequencer, path: Path) -> None:
    """Sequences the file's instruments that the journal does not know. Raises `InstrumentsError`, `Refusal`."""
    for listing in load(path):
        known = sequencer.core.instruments.find(listing.definition.symbol)
        if known is None or known.definition != listing.definition:
            sequencer.core.check(listing.definition)
            sequencer.administer(listing.definition, Source.SYSTEM, "engine")


def run(
    address: str,
    journal: Path,
    bootstrap: str,
    secret: str,
    instruments: Path,
    max_orders: int,
    ready: Callable[[], None],
) -> None:
    """The process: until SIGTERM or SIGINT."""
    core = Core(max_orders=max_orders)
    core.compile()
    sequencer = Sequencer(core, journal)
    define_instruments(sequencer, instruments)
    server = Server(address, sequencer, Ingress(bootstrap, sequencer.next_offsets), secret)

    def stop(number: int, frame: Any) -> None:
        server.stopped = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    ready()
    log.info("taking commands at %s, from command %d on", address, sequencer.last_seq + 1)
    try:
        server.serve()
    finally:
        server.close()
