"""The ZeroMQ door: a ROUTER socket, the frames and JSON that come in by it, and the connections behind it.

A peer that is gone is noticed by ROUTER_MANDATORY: sending to it fails with EHOSTUNREACH. Sessions that asked for
cancel-on-disconnect are sent an empty message now and then for this; that the connection of a machine that fell silent
is given up is done by ZMTP's own heartbeats, in libzmq's thread."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import msgspec
import numpy as np
import zmq
from numpy.typing import NDArray

from engine import frames, replies
from engine.admission import Admission
from engine.batch import Batch
from engine.core import Core
from engine.decode import decode, random_id, with_ids
from engine.layout import COMMAND, REPLY
from engine.lookup import with_symbol
from engine.messages import OrderList, as_json
from engine.metrics import ENGINE
from engine.reading import parse, read_json
from engine.refusal import Refusal
from engine.requests import Request, Requests
from engine.sessions import Session, Sessions, account_numbers, check_command, stamp_records
from engine.sockets import EVENTS, LAST, MORE, RCVMORE, READABLE, PlainSocket
from engine.words import CommandType, Durability, Flag, FrameKind, Outcome, Reason, Source

MOST_MESSAGES: Final = 512
"""ZeroMQ messages taken before replies go out."""
AT_ONCE_NS: Final = 20_000
"""A message that took longer than this to come was waited for, so there is none behind it: to ask for one costs its
sender as much as the checks of an order do. What the guess misses, the next round takes."""
LARGEST_MESSAGE: Final = 16 << 20
QUEUE: Final = 100_000
HEARTBEAT_MS: Final = 1000
SILENCE_MS: Final = 3000
"""A connection that does not answer ZMTP's heartbeats for this long is closed."""
WATCH_SECONDS: Final = 0.1
"""How often the connections of sessions that asked for cancel-on-disconnect are tried."""
REPLIES: Final = FrameKind.REPLIES
_DURABILITIES: Final = {int(level): level for level in Durability}
ORDER_TYPES: Final = frozenset({"new", "order_list", "cancel", "replace", "cancel_all"})

_request_decoder: Final = msgspec.json.Decoder(Request)
_list_decoder: Final = msgspec.json.Decoder(list[msgspec.Raw])


def bind(context: zmq.Context[Any], address: str, secret_key: str = "") -> Any:
    """The ROUTER socket; with a secret CURVE key it takes encrypted connections only. Raises zmq.ZMQError where the
    address is taken."""
    socket = context.socket(zmq.ROUTER, socket_class=PlainSocket)
    if secret_key:
        socket.curve_server = True
        socket.curve_secretkey = secret_key.encode()
    socket.setsockopt(zmq.LINGER, 500)
    socket.setsockopt(zmq.SNDHWM, QUEUE)
    socket.setsockopt(zmq.RCVHWM, QUEUE)
    socket.setsockopt(zmq.MAXMSGSIZE, LARGEST_MESSAGE)
    socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
    socket.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT_MS)
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, SILENCE_MS)
    socket.bind(address)
    return socket


class Door:
    """Takes messages in and sends answers out."""

    def __init__(self, socket: Any, core: Core, batch: Batch, sessions: Sessions, clock_ns: Callable[[], int]) -> None:
        self._socket = socket
        self._core = core
        self._batch = batch
        self._sessions = sessions
        self._clock_ns = clock_ns
        self._wait_ms = -1
        self._watched = 0.0
        self._to_sweep: list[NDArray[Any]] = []
        """Cancels of ended sessions that the journal has not taken yet."""
        self._admission = Admission(core)
        self.requests: Requests

    def receive(self, wait_ms: int) -> bool:
        """Waits so long for a message and takes it into the batch, with those behind it where it was there already, at
        most MOST_MESSAGES. False: none came."""
        if wait_ms != self._wait_ms:
            self._wait_ms = wait_ms
            self._socket.setsockopt(zmq.RCVTIMEO, wait_ms)
        ready_ns = time.perf_counter_ns()
        try:
            parts = self._read()
        except zmq.Again:
            return False
        ENGINE.arrived_ns = time.perf_counter_ns()
        self.take(parts)
        if ENGINE.arrived_ns - ready_ns < AT_ONCE_NS:
            self._take_more()
        return True

    def _take_more(self) -> None:
        for _ in range(MOST_MESSAGES - 1):
            if self._batch.is_large:
                self._batch.flush()
            if not self._socket.getsockopt(EVENTS) & READABLE:  # cheaper than an exception for every last message
                return
            self.take(self._read())

    def _read(self) -> list[bytes]:
        """One message: routing id, envelope, payload. The first part is never the last one, which need not be asked."""
        receive = self._socket.recv
        parts = [receive(), receive(LAST)]
        while self._socket.getsockopt(RCVMORE):
            parts.append(receive(LAST))
        return parts

    def take(self, parts: list[bytes]) -> None:
        """One message, as of `_read`."""
        payload, envelope = parts.pop(), parts
        try:
            if frames.is_json(payload):
                self._take_json(envelope, payload)
            else:
                self._take_records(envelope, payload)
        except Refusal as refusal:
            self._send(envelope, as_json(replies.refused(refusal)))

    def _send(self, parts: list[bytes], payload: bytes) -> None:
        """Never waits: what a client that reads nothing has no room for is dropped, and `status` tells it later."""
        try:
            for part in parts:
                self._socket.send(part, MORE)
            self._socket.send(payload, LAST)
        except zmq.Again:
            pass
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:
                raise
            self._sessions.end_of(parts[0])

    def send_to(self, session: Session, payload: bytes) -> None:
        """Sends what is no reply."""
        self._send([session.routing_id], payload)

    # --------------------------------------------------------------------------------------------------- records

    def _take_records(self, envelope: list[bytes], payload: bytes) -> None:
        session = self._sessions.find(envelope[0])
        head, records = frames.decode_commands(payload)
        if head.second and head.second < self._clock_ns() // 1_000_000_000:
            raise Refusal(Reason.BUSY, "second", "the frame came later than its sender was willing to wait")
        admitted = self._admission.admit(session.identity, records)
        durability = _DURABILITIES[admitted.asked] if admitted.asked else session.durability
        refused = admitted.refused
        if refused is None:
            self._batch.add(
                records,
                lambda answers: self._send(envelope, frames.encode(REPLIES, answers, head.request_id)),
                durability,
            )
            return
        good = refused[:, 0] == 0
        every = np.zeros(len(records), REPLY)
        every["outcome"] = int(Outcome.REJECTED)
        every["reason"], every["field"] = refused[:, 0], refused[:, 1]

        def answer(answers: NDArray[Any]) -> None:
            every[good] = answers
            self._send(envelope, frames.encode(REPLIES, every, head.request_id))

        if good.any():
            self._batch.add(records[good], answer, durability)
        else:
            answer(np.zeros(0, REPLY))

    # ------------------------------------------------------------------------------------------------------ JSON

    def _take_json(self, envelope: list[bytes], payload: bytes) -> None:
        """One request, or a list of them, answered by one reply or a list."""
        if payload[:1] == b"{":
            self._request(envelope, payload, lambda message: self._send(envelope, as_json(message)))
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
                self._send(envelope, as_json(answers))

        for place, request in enumerate(requests):
            self._request(envelope, bytes(request), lambda message, place=place: collect(place, message))  # type: ignore[misc]

    def _request(self, envelope: list[bytes], payload: bytes, answer: Callable[[Any], None]) -> None:
        routing_id = envelope[0]
        try:
            request = read_json(payload, _request_decoder)
            if request.type in ORDER_TYPES:
                self._order(self._sessions.find(routing_id), payload, answer)
                return
            self._batch.flush()
            can_be_sent_to = len(envelope) < 2 or envelope[-1] != b""
            self.requests.take(routing_id, can_be_sent_to, request, payload, answer)
        except Refusal as refusal:
            answer(replies.refused(refusal))

    def _order(self, session: Session, payload: bytes, answer: Callable[[Any], None]) -> None:
        command = parse(payload)
        check_command(session.identity, command)
        command = with_ids(with_symbol(self._core, command, self._batch.flush), random_id)
        named = getattr(command, "client_order_id", None)
        try:
            records = decode(command, self._core.instruments, self._core.accounts)
        except Refusal as refusal:
            answer(replies.refused(refusal, named))
            return
        stamp_records(session.identity, records)
        durability = Durability(int(records["durability"][0]) or session.durability)
        ids = [order.client_order_id for order in command.orders] if isinstance(command, OrderList) else None

        def tell(answers: NDArray[Any]) -> None:
            if ids is None:
                answer(replies.in_words(answers[0], self._core.instruments, named))
            else:
                answer(replies.list_in_words(answers, self._core.instruments, ids))

        self._batch.add(records, tell, durability)

    # -------------------------------------------------------------------------------------- the end of a session

    def watch(self, now: float) -> None:
        """Ends sessions whose token is over or whose peer is gone, as far as somebody waits for that."""
        if now - self._watched < WATCH_SECONDS:
            return
        self._watched = now
        for session in self._sessions:
            if self._sessions.is_over(session):
                self._sessions.end(session)
            elif session.cancel_on_disconnect:
                self.send_to(session, b"")
        waiting, self._to_sweep = self._to_sweep, []
        for records in waiting:
            self._add_sweep(records)

    def sweep(self, session: Session) -> None:
        """Cancels what the accounts of a session have working, if it asked for that."""
        if not session.cancel_on_disconnect:
            return
        accounts = account_numbers(session.identity, self._core.accounts.find)
        records = np.zeros(len(accounts), COMMAND)
        stamp_records(session.identity, records)
        records["type"], records["flags"] = int(CommandType.CANCEL_ALL), int(Flag.DISCONNECTED)
        records["source"], records["account"] = int(Source.SYSTEM), accounts
        if len(records):
            self._add_sweep(records)

    def _add_sweep(self, records: NDArray[Any]) -> None:
        def check(answers: NDArray[Any]) -> None:
            busy = answers["seq"] == 0
            if busy.any():
                self._to_sweep.append(records[busy])

        self._batch.add(records.copy(), check)
