"""The Python client of the engine's ZeroMQ door: `Client` waits for its replies, `AsyncClient` awaits them.

    with Client("tcp://127.0.0.1:5555", token) as client:
        [reply] = client.submit([NewOrder(account="demo", symbol="AAPL", side="buy", quantity=Decimal(10),
                                          limit_price=Decimal("190.00"))])

Commands are turned into ticks and lots here, by the same code as at every door, and travel as binary records. A reply
that does not come in time raises TimeoutError: the order may or may not be there, and `status` tells.
"""

from __future__ import annotations

import asyncio
import itertools
import time
import uuid
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import msgspec
import numpy as np
import zmq
import zmq.asyncio
from numpy.typing import NDArray

from engine import frames, replies
from engine.decode import decode
from engine.layout import COMMAND
from engine.messages import (
    AdministrativeCommand,
    Book,
    Cancel,
    DefineInstrument,
    NewOrder,
    OrderCommand,
    OrderState,
    Replace,
    Reply,
    Session,
    as_json,
)
from engine.refusal import Refusal
from engine.registry import AccountEntry, Accounts, InstrumentEntry, Instruments, max_quantity
from engine.units import Scale
from engine.words import FrameKind, Reason, Source

REFRESH_SECONDS: Final = 1.0
"""A name that is not known is asked for again at most this often."""
NOT_KNOWN: Final = frozenset({Reason.UNKNOWN_ACCOUNT, Reason.UNKNOWN_SYMBOL})
LOG_IN_FIRST: Final = "log in first"
PING: Final = b'{"type":"ping"}'


class Pong(msgspec.Struct):
    """The answer to a ping."""

    last_seq: int


class Directory:
    """The names and numbers that a session was given."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.instruments = Instruments()
        self.accounts = Accounts()
        for listed in sorted(session.instruments, key=lambda item: item.instrument_id):
            definition = msgspec.convert(
                {"type": "instrument", **{f: getattr(listed, f) for f in DefineInstrument.__struct_fields__}},
                DefineInstrument,
            )
            scale = Scale(definition.tick_size, definition.lot_size)
            low, high = scale.ticks(definition.price_min), scale.ticks(definition.price_max)
            most = max_quantity(high, scale.money_per_tick_lot)
            self.instruments.put(
                InstrumentEntry(listed.instrument_id, definition, scale, low, high, most, listed.seq, listed.ts_ns)
            )
        for account, number in sorted(session.account_ids.items(), key=lambda item: item[1]):
            self.accounts.put(AccountEntry(number, account, "", 0, 0, 0))


class Prepared(NamedTuple):
    """Commands on their way: the records that go to the engine, and what those that stay behind are answered."""

    records: NDArray[Any]
    places: list[int]
    answers: list[Reply | None]
    client_order_ids: list[str | None]

    def merge(self, received: NDArray[Any], instruments: Instruments) -> list[Reply]:
        """All answers, in the order of the commands."""
        answers = list(self.answers)
        for place, record in zip(self.places, received, strict=True):
            answers[place] = replies.in_words(record, instruments, self.client_order_ids[place])
        return [answer for answer in answers if answer is not None]


def prepare(
    commands: Sequence[OrderCommand], directory: Directory, actor: str | None, source: Source | None
) -> Prepared:
    """Encodes commands. A new order without a client_order_id is given one, so that a repeat is safe."""
    records: list[NDArray[Any]] = []
    places: list[int] = []
    answers: list[Reply | None] = []
    ids: list[str | None] = []
    for place, command in enumerate(commands):
        if isinstance(command, NewOrder) and command.client_order_id is None:
            command = msgspec.structs.replace(command, client_order_id=uuid.uuid4().hex)
        ids.append(command.client_order_id if isinstance(command, NewOrder | Cancel | Replace) else None)
        try:
            record = decode(command, directory.instruments, directory.accounts)
        except Refusal as refusal:
            answers.append(replies.refused(refusal, ids[-1]))
            continue
        record["actor"] = (actor or "").encode()[:20]
        record["source"] = int(source) if source is not None else 0
        records.append(record)
        places.append(place)
        answers.append(None)
    joined = np.concatenate(records) if records else np.zeros(0, COMMAND)
    return Prepared(joined, places, answers, ids)


def needs_refresh(prepared: Prepared) -> bool:
    """Whether a name was not known here, that the engine may have learnt since the login."""
    words = {reason.wire for reason in NOT_KNOWN}
    return any(answer is not None and answer.reason in words for answer in prepared.answers)


def in_json(payload: bytes, kind: Any) -> Any:
    """A JSON answer of the type that was asked for. Raises `Refusal` where the engine refused."""
    try:
        fields = msgspec.json.decode(payload)
    except msgspec.DecodeError:
        raise Refusal(Reason.MALFORMED, "", "the engine's answer is no JSON") from None
    if isinstance(fields, dict) and fields.get("outcome") == "rejected":
        answer = msgspec.convert(fields, Reply)
        if kind is not Reply or answer.reason == Reason.NOT_AUTHORIZED.wire:
            raise Refusal(Reason[(answer.reason or "malformed").upper()], answer.field or "", answer.text or "")
    return msgspec.convert(fields, kind)


def must_log_in(payload: bytes) -> bool:
    """Whether the engine has forgotten the session (it was started anew): nothing was sequenced."""
    return frames.is_json(payload) and LOG_IN_FIRST.encode() in payload


def in_records(payload: bytes) -> NDArray[Any]:
    """The REPLY records of an answer. Raises `Refusal` where the engine refused the frame."""
    if frames.is_json(payload):
        in_json(payload, dict)
        raise Refusal(Reason.MALFORMED, "", "the engine answered records with JSON")
    return frames.decode_replies(payload)[1]


def status_request(account: str, client_order_id: str | None, order_id: str | None) -> bytes:
    fields = {"type": "status", "account": account, "client_order_id": client_order_id, "order_id": order_id}
    return as_json({name: value for name, value in fields.items() if value is not None})


def depth_request(symbol: str, levels: int) -> bytes:
    return as_json({"type": "depth", "symbol": symbol, "levels": levels})


def _socket(context: zmq.Context[Any], address: str) -> Any:
    socket = context.socket(zmq.DEALER)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.SNDHWM, 0)
    socket.setsockopt(zmq.RCVHWM, 0)
    socket.setsockopt(zmq.RECONNECT_IVL, 50)
    socket.setsockopt(zmq.RECONNECT_IVL_MAX, 1000)
    socket.connect(address)
    return socket


class Client:
    """One connection, used by one thread at a time. `send_…` and `receive` are for those who keep many in flight."""

    def __init__(self, address: str, token: str, *, timeout_s: float = 5.0) -> None:
        self._address = address
        self._token = token
        self._timeout_s = timeout_s
        self._context = zmq.Context()
        self._socket = _socket(self._context, address)
        self._numbers = itertools.count(1)
        self._early: dict[int, bytes] = {}
        self._directory: Directory | None = None
        self._refreshed = 0.0

    def __enter__(self) -> Self:
        self.connect()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def directory(self) -> Directory:
        """What the last login gave; logs in where there was none."""
        if self._directory is None:
            self.connect()
        assert self._directory is not None
        return self._directory

    def connect(self) -> Session:
        """Logs in. Raises `Refusal` naming `token`, and TimeoutError where nobody answers."""
        answer = self._ask(as_json({"type": "login", "token": self._token}))
        session: Session = in_json(answer, Session)
        self._directory = Directory(session)
        return session

    def send(self, payload: bytes) -> int:
        """Sends a payload; the answer to it is told apart by the number returned."""
        number = next(self._numbers)
        self._socket.send_multipart([number.to_bytes(8, "little"), payload])
        return number

    def send_records(self, records: NDArray[Any]) -> int:
        return self.send(frames.encode(FrameKind.COMMANDS, records))

    def send_depth(self, symbol: str, levels: int) -> int:
        return self.send(depth_request(symbol, levels))

    def receive(self) -> tuple[int, bytes]:
        """The next answer: (number of what it answers, payload). Raises TimeoutError."""
        if not self._socket.poll(int(self._timeout_s * 1000)):
            raise TimeoutError(f"the engine at {self._address} did not answer within {self._timeout_s:g} s")
        number, payload = self._socket.recv_multipart()[-2:]
        return int.from_bytes(number, "little"), payload

    def _ask(self, payload: bytes) -> bytes:
        wanted = self.send(payload)
        while wanted not in self._early:
            number, answer = self.receive()
            self._early[number] = answer
        return self._early.pop(wanted)

    def _ask_logged_in(self, payload: bytes) -> bytes:
        answer = self._ask(payload)
        if must_log_in(answer):
            self.connect()
            answer = self._ask(payload)
        return answer

    def submit(
        self, commands: Sequence[OrderCommand], *, actor: str | None = None, source: Source | None = None
    ) -> list[Reply]:
        """Sends commands in one frame; one reply each, in order. One that was refused here or at the door has seq 0."""
        prepared = prepare(commands, self.directory, actor, source)
        if needs_refresh(prepared) and time.monotonic() - self._refreshed > REFRESH_SECONDS:
            self._refreshed = time.monotonic()
            self.connect()
            prepared = prepare(commands, self.directory, actor, source)
        received = self.submit_records(prepared.records) if len(prepared.records) else prepared.records
        return prepared.merge(received, self.directory.instruments)

    def submit_records(self, records: NDArray[Any]) -> NDArray[Any]:
        """COMMAND records in one frame; one REPLY record each, in order."""
        return in_records(self._ask_logged_in(frames.encode(FrameKind.COMMANDS, records)))

    def administer(self, command: AdministrativeCommand) -> Reply:
        """For the roles admin and service. Raises `Refusal` where the session may not."""
        reply: Reply = in_json(self._ask_logged_in(as_json(command)), Reply)
        return reply

    def status(
        self, account: str, *, client_order_id: str | None = None, order_id: str | None = None
    ) -> OrderState | None:
        """What became of an order, None where the engine knows none."""
        return _state(self._ask_logged_in(status_request(account, client_order_id, order_id)))

    def depth(self, symbol: str, levels: int = 10) -> Book:
        """The book as the engine has it now."""
        book: Book = in_json(self._ask_logged_in(depth_request(symbol, levels)), Book)
        return book

    def ping(self) -> int:
        """The last command that the engine has sequenced. Raises TimeoutError."""
        return in_json(self._ask(PING), Pong).last_seq  # type: ignore[no-any-return]

    def close(self) -> None:
        self._socket.close()
        self._context.term()


def _state(payload: bytes) -> OrderState | None:
    try:
        state: OrderState = in_json(payload, OrderState)
    except Refusal as refusal:
        if refusal.reason is Reason.UNKNOWN_ORDER:
            return None
        raise
    return state


class AsyncClient:
    """The same, for one event loop: any number of requests at a time share the connection."""

    def __init__(self, address: str, token: str, *, timeout_s: float = 5.0) -> None:
        self._address = address
        self._token = token
        self._timeout_s = timeout_s
        self._context = zmq.asyncio.Context()
        self._socket = _socket(self._context, address)
        self._numbers = itertools.count(1)
        self._waiting: dict[bytes, asyncio.Future[bytes]] = {}
        self._reader: asyncio.Task[None] | None = None
        self._login = asyncio.Lock()
        self._directory: Directory | None = None
        self._refreshed = 0.0

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def connect(self) -> Session:
        """Logs in. Raises `Refusal` naming `token`, and TimeoutError where nobody answers."""
        answer = await self._ask(as_json({"type": "login", "token": self._token}))
        session: Session = in_json(answer, Session)
        self._directory = Directory(session)
        return session

    async def directory(self) -> Directory:
        """What the last login gave; logs in where there was none."""
        if self._directory is None:
            async with self._login:
                if self._directory is None:
                    await self.connect()
        assert self._directory is not None
        return self._directory

    async def _read(self) -> None:
        while True:
            number, payload = (await self._socket.recv_multipart())[-2:]
            future = self._waiting.pop(number, None)
            if future is not None and not future.done():
                future.set_result(payload)

    async def _ask(self, payload: bytes) -> bytes:
        if self._reader is None:
            self._reader = asyncio.create_task(self._read(), name="engine-replies")
        number = next(self._numbers).to_bytes(8, "little")
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            await self._socket.send_multipart([number, payload])
            async with asyncio.timeout(self._timeout_s):
                return await future
        except TimeoutError:
            text = f"the engine at {self._address} did not answer within {self._timeout_s:g} s"
            raise TimeoutError(text) from None
        finally:
            self._waiting.pop(number, None)

    async def _ask_logged_in(self, payload: bytes) -> bytes:
        await self.directory()
        answer = await self._ask(payload)
        if must_log_in(answer):
            await self.connect()
            answer = await self._ask(payload)
        return answer

    async def submit(
        self, commands: Sequence[OrderCommand], *, actor: str | None = None, source: Source | None = None
    ) -> list[Reply]:
        """As `Client.submit`."""
        prepared = prepare(commands, await self.directory(), actor, source)
        if needs_refresh(prepared) and time.monotonic() - self._refreshed > REFRESH_SECONDS:
            self._refreshed = time.monotonic()
            await self.connect()
            prepared = prepare(commands, await self.directory(), actor, source)
        received = await self.submit_records(prepared.records) if len(prepared.records) else prepared.records
        return prepared.merge(received, (await self.directory()).instruments)

    async def submit_records(self, records: NDArray[Any]) -> NDArray[Any]:
        """As `Client.submit_records`."""
        return in_records(await self._ask_logged_in(frames.encode(FrameKind.COMMANDS, records)))

    async def administer(self, command: AdministrativeCommand) -> Reply:
        """As `Client.administer`."""
        reply: Reply = in_json(await self._ask_logged_in(as_json(command)), Reply)
        return reply

    async def status(
        self, account: str, *, client_order_id: str | None = None, order_id: str | None = None
    ) -> OrderState | None:
        """As `Client.status`."""
        return _state(await self._ask_logged_in(status_request(account, client_order_id, order_id)))

    async def depth(self, symbol: str, levels: int = 10) -> Book:
        """As `Client.depth`."""
        book: Book = in_json(await self._ask_logged_in(depth_request(symbol, levels)), Book)
        return book

    async def ping(self) -> int:
        """As `Client.ping`."""
        return in_json(await self._ask(PING), Pong).last_seq  # type: ignore[no-any-return]

    async def close(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)
        self._socket.close()
        self._context.term()
