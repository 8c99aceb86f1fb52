"""The Python client of the engine's ZeroMQ door: `Client` waits for its replies, `AsyncClient` awaits them.

    with Client("tcp://127.0.0.1:5555", token) as client:
        [reply] = client.submit([NewOrder(account="demo", symbol="AAPL", side="buy", quantity=Decimal(10),
                                          limit_price=Decimal("190.00"))])

Commands are turned into ticks and lots here, by the same code as at every door, and travel as binary records. Nothing
is kept for an engine that is away: a command that could not be sent in time raises TimeoutError and never goes out, and
one that the engine finds too late in its queue is refused there. A reply that does not come in time raises TimeoutError
too: the order may or may not be there, and `status` tells.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import zmq
from numpy.typing import NDArray

from engine import answers, frames
from engine.answers import in_json, in_records, must_log_in, request
from engine.deadlines import Deadlines
from engine.dealer import Dealer
from engine.directory import Directory, prepare
from engine.joining import Joining
from engine.messages import (
    AdministrativeCommand,
    Book,
    NewOrder,
    OrderCommand,
    OrderState,
    Preview,
    Reply,
    Session,
    as_json,
)
from engine.refusal import Refusal
from engine.sockets import LAST, MORE, PlainSocket
from engine.words import Durability, FrameKind, Reason, Source

REFRESH_SECONDS: Final = 1.0
"""A name that is not known is asked for again at most this often."""
MOST_UNSENT: Final = 1000
"""Messages that may wait for the connection to take them."""
MOST_REPORTS: Final = 10_000
"""Frames of reports that wait to be read; then the oldest is lost, which the numbers of the next show."""
HEARTBEAT_MS: Final = 1000
KEY_MARK: Final = "|"
"""What stands in an address before the public CURVE key of an engine that takes encrypted connections only."""
SILENCE_MS: Final = 3000
"""An engine whose machine does not answer ZMTP's heartbeats for this long counts as away."""


class Reports(NamedTuple):
    """A frame of a drop copy."""

    account: int
    """Its number."""
    first: int
    """Number of the first report; a gap to the last frame's end means that some were lost."""
    second: int
    records: NDArray[Any]
    """REPORT."""


def _socket(context: zmq.Context[Any], address: str) -> Any:
    socket = context.socket(zmq.DEALER, socket_class=PlainSocket)
    socket.setsockopt(zmq.LINGER, 0)
    # Only what a connection takes is queued, and what it has not taken when it ends is dropped: without this, orders of
    # minutes ago would reach an engine that comes back.
    socket.setsockopt(zmq.IMMEDIATE, 1)
    socket.setsockopt(zmq.SNDHWM, MOST_UNSENT)
    socket.setsockopt(zmq.RCVHWM, 0)
    socket.setsockopt(zmq.RECONNECT_IVL, 50)
    socket.setsockopt(zmq.RECONNECT_IVL_MAX, 1000)
    socket.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT_MS)
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, SILENCE_MS)
    place, _, server_key = address.partition(KEY_MARK)
    if server_key:
        socket.curve_serverkey = server_key.encode()
        # Who the client is says its token; this pair only encrypts, and is made for the connection.
        socket.curve_publickey, socket.curve_secretkey = zmq.curve_keypair()
    socket.connect(place)
    return socket


class _Connection:
    """What both clients know of theirs."""

    def __init__(
        self,
        address: str,
        token: str,
        *,
        timeout_s: float = 5.0,
        durability: Durability = Durability.JOURNALED,
        cancel_on_disconnect: bool = False,
    ) -> None:
        """`durability`: what replies wait for where a command does not say. `cancel_on_disconnect`: the working orders
        of the token's accounts are canceled when the connection ends."""
        self._address = address
        self._timeout_s = timeout_s
        self._numbers = itertools.count(1)
        self._directory: Directory | None = None
        self._refreshed = 0.0
        self._subscribed: set[str] = set()
        """Accounts whose reports are wanted, after a new login too."""
        self._login_request = request(
            "login",
            token=token,
            durability=durability.wire,
            cancel_on_disconnect=cancel_on_disconnect or None,
        )

    def _framed(self, records: NDArray[Any]) -> bytes:
        """A frame that the engine refuses once nobody waits for its reply any more."""
        last = int(time.time() + self._timeout_s) + 1
        return frames.encode(FrameKind.COMMANDS, records, second=last)

    def _silence(self) -> TimeoutError:
        return TimeoutError(f"the engine at {self._address} did not answer within {self._timeout_s:g} s")

    def _no_connection(self) -> TimeoutError:
        return TimeoutError(f"no connection to the engine at {self._address} within {self._timeout_s:g} s: not sent")

    def _may_refresh(self) -> bool:
        if time.monotonic() - self._refreshed <= REFRESH_SECONDS:
            return False
        self._refreshed = time.monotonic()
        return True


def _as_reports(payload: bytes) -> Reports | None:
    """A message that answers nothing: reports, or an empty one by which the engine tries the connection."""
    if not payload:
        return None
    head, records = frames.decode_reports(payload)
    return Reports(int(records["account"][0]), head.request_id, head.second, records)


class Client(_Connection):
    """One connection, used by one thread at a time. `send_…` and `receive` are for those who keep many in flight."""

    def __init__(self, address: str, token: str, **options: Any) -> None:
        """`options`: timeout_s, durability, cancel_on_disconnect."""
        super().__init__(address, token, **options)
        self._context = zmq.Context()
        self._socket = _socket(self._context, address)
        self._poller = zmq.Poller()
        self._poller.register(self._socket, zmq.POLLIN)
        self._wait_ms = -1
        self._early: dict[int, bytes] = {}
        self._abandoned: set[int] = set()
        """Requests whose reply nobody waits for any more."""
        self._reports: deque[Reports] = deque(maxlen=MOST_REPORTS)

    def __enter__(self) -> Self:
        try:
            self.connect()
        except BaseException:
            self.close()
            raise
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
        session = in_json(self._ask(self._login_request), Session)
        self._directory = Directory(session)
        for account in self._subscribed:
            self._ask(request("subscribe", account=account))
        return session

    def send(self, payload: bytes) -> int:
        """Sends a payload; the answer to it is told apart by the number returned. Raises TimeoutError where there is no
        connection in time, and then it never goes out."""
        number = next(self._numbers)
        name = number.to_bytes(8, "little")
        deadline = time.monotonic() + self._timeout_s
        while True:
            try:
                self._socket.send(name, MORE)
                self._socket.send(payload, LAST)
                return number
            except zmq.Again:  # also where the connection ended between the parts: then libzmq drops the first one
                left = deadline - time.monotonic()
                if left <= 0 or not self._socket.poll(int(left * 1000), zmq.POLLOUT):
                    raise self._no_connection() from None

    def send_records(self, records: NDArray[Any]) -> int:
        """As `send`: COMMAND records in one frame."""
        return self.send(self._framed(records))

    def send_depth(self, symbol: str, levels: int) -> int:
        """As `send`: asks for a book."""
        return self.send(request("depth", symbol=symbol, levels=levels))

    def answered(self, wait_s: float) -> bool:
        """Whether `receive` has an answer, or something else to look at, within `wait_s`."""
        return bool(self._early or self._poller.poll(max(0, int(wait_s * 1000))))

    def receive(self) -> tuple[int, bytes]:
        """The next answer: (number of what it answers, payload). Raises TimeoutError."""
        if self._early:
            number = next(iter(self._early))
            return number, self._early.pop(number)
        return self._next_answer(time.monotonic() + self._timeout_s)

    def _next_answer(self, deadline: float) -> tuple[int, bytes]:
        while True:
            wait_ms = max(0, int((deadline - time.monotonic()) * 1000))
            if wait_ms != self._wait_ms:
                self._wait_ms = wait_ms
                self._socket.setsockopt(zmq.RCVTIMEO, wait_ms)
            try:
                answer = self._read()
            except zmq.Again:
                raise self._silence() from None
            if answer is not None:
                return answer

    def _read(self) -> tuple[int, bytes] | None:
        """The next message, where it is an answer; None where it is something else, or nobody waits for it."""
        parts = self._socket.recv_multipart()
        if len(parts) < 2:
            reports = _as_reports(parts[-1])
            if reports is not None:
                self._reports.append(reports)
            return None
        number = int.from_bytes(parts[-2], "little")
        if number in self._abandoned:
            self._abandoned.remove(number)
            return None
        return number, parts[-1]

    def _ask(self, payload: bytes) -> bytes:
        wanted = self.send(payload)
        deadline = time.monotonic() + self._timeout_s
        try:
            while True:
                number, answer = self._next_answer(deadline)
                if number == wanted:
                    return answer
                self._early[number] = answer
        except TimeoutError:
            self._abandoned.add(wanted)
            raise

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
        if prepared.needs_refresh and self._may_refresh():
            self.connect()
            prepared = prepare(commands, self.directory, actor, source)
        received = self.submit_records(prepared.records) if len(prepared.records) else prepared.records
        return prepared.merge(received, self.directory.instruments)

    def submit_records(self, records: NDArray[Any]) -> NDArray[Any]:
        """COMMAND records in one frame; one REPLY record each, in order."""
        return in_records(self._ask_logged_in(self._framed(records)))

    def administer(
        self, command: AdministrativeCommand, *, actor: str | None = None, source: Source | None = None
    ) -> Reply:
        """For the roles admin and service, some for risk; a service may say whom it speaks for. Raises `Refusal` where
        the session may not."""
        return in_json(self._ask_logged_in(answers.administrative(command, actor, source)), Reply)

    def status(
        self, account: str, *, client_order_id: str | None = None, order_id: str | None = None
    ) -> OrderState | None:
        """What became of an order, None where the engine knows none."""
        asked = request("status", account=account, client_order_id=client_order_id, order_id=order_id)
        return answers.order_state(self._ask_logged_in(asked))

    def preview(self, order: NewOrder) -> Preview:
        """What the order would do if it came in now. Raises `Refusal` where it cannot be read as an order."""
        return in_json(self._ask_logged_in(as_json({"type": "preview", "order": order})), Preview)

    def depth(self, symbol: str, levels: int = 10) -> Book:
        """The book as the engine has it now."""
        return in_json(self._ask_logged_in(request("depth", symbol=symbol, levels=levels)), Book)

    def market_data(self, symbol: str) -> answers.Streams:
        """The snapshot of an instrument's market-data streams."""
        return in_json(self._ask_logged_in(request("market_data", symbol=symbol)), answers.Streams)

    def trades(self, symbol: str, first: int = 1) -> answers.Tape:
        """The trades of the market-data stream from number `first` on, as far as they are kept."""
        return in_json(self._ask_logged_in(request("trades", symbol=symbol, first=first)), answers.Tape)

    def positions(self) -> answers.Positions:
        """The engine's own positions; for the roles admin and service."""
        return in_json(self._ask_logged_in(request("positions")), answers.Positions)

    def revoke(self, sessions: Mapping[str, int]) -> answers.Revoked:
        """Sessions whose tokens the engine is to refuse, until these seconds since the epoch; for the roles admin and
        service."""
        return in_json(self._ask_logged_in(request("revoke", sessions=dict(sessions))), answers.Revoked)

    def state_hash(self) -> answers.StateHash:
        """Of the engine's state now; for the roles admin and service."""
        return in_json(self._ask_logged_in(request("state_hash")), answers.StateHash)

    def subscribe(self, account: str) -> answers.Subscription:
        """From now on the account's reports come in; `reports` gives them. After a new login they go on, from 1."""
        self._subscribed.add(account)
        return in_json(self._ask_logged_in(request("subscribe", account=account)), answers.Subscription)

    def unsubscribe(self, account: str) -> answers.Subscription:
        """Ends that."""
        self._subscribed.discard(account)
        return in_json(self._ask_logged_in(request("unsubscribe", account=account)), answers.Subscription)

    def reports(self, timeout_s: float) -> Reports | None:
        """The next reports of the accounts subscribed to, None where none come in time."""
        deadline = time.monotonic() + timeout_s
        while not self._reports:
            if not self._poller.poll(max(0, int((deadline - time.monotonic()) * 1000))):
                return None
            answer = self._read()
            if answer is not None:
                self._early[answer[0]] = answer[1]
        return self._reports.popleft()

    def ping(self) -> int:
        """The last command that the engine has sequenced. Raises TimeoutError."""
        return in_json(self._ask(request("ping")), answers.Pong).last_seq

    def close(self) -> None:
        self._socket.close()
        self._context.term()


class AsyncClient(_Connection):
    """The same, for one event loop: any number of requests at a time share the connection."""

    def __init__(self, address: str, token: str, **options: Any) -> None:
        """`options`: timeout_s, durability, cancel_on_disconnect."""
        super().__init__(address, token, **options)
        self._context = zmq.Context()
        self._dealer = Dealer(_socket(self._context, address), self._receive)
        self._waiting: dict[bytes, asyncio.Future[bytes]] = {}
        self._deadlines = Deadlines(self._timeout_s, self._silence)
        self._unsent = 0
        self._login = asyncio.Lock()
        self._joining = Joining(self.submit_records, self._silence)
        self._reports: asyncio.Queue[Reports] = asyncio.Queue(MOST_REPORTS)

    async def __aenter__(self) -> Self:
        try:
            await self.connect()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def connect(self) -> Session:
        """Logs in. Raises `Refusal` naming `token`, and TimeoutError where nobody answers."""
        session = in_json(await self._ask(self._login_request), Session)
        self._directory = Directory(session)
        for account in self._subscribed:
            await self._ask(request("subscribe", account=account))
        return session

    async def directory(self) -> Directory:
        """What the last login gave; logs in where there was none."""
        if self._directory is None:
            async with self._login:
                if self._directory is None:
                    await self.connect()
        assert self._directory is not None
        return self._directory

    def _receive(self, parts: list[bytes]) -> None:
        if len(parts) < 2:
            self._keep(_as_reports(parts[-1]))
            return
        future = self._waiting.pop(parts[-2], None)
        if future is not None and not future.done():
            future.set_result(parts[-1])

    def _keep(self, reports: Reports | None) -> None:
        if reports is None:
            return
        if self._reports.full():
            self._reports.get_nowait()
        self._reports.put_nowait(reports)

    async def _send(self, number: bytes, payload: bytes) -> None:
        """Raises TimeoutError where there is no connection in time, and then the payload never goes out."""
        if self._unsent >= MOST_UNSENT:
            raise Refusal(Reason.BUSY, "", f"{MOST_UNSENT} requests wait for the engine's connection already")
        waiting = self._dealer.send(number, payload)
        if waiting is None:
            return
        self._unsent += 1
        try:
            async with asyncio.timeout(self._timeout_s):
                await waiting
        except TimeoutError:
            raise self._no_connection() from None
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self._dealer.is_closed and task is not None and not task.cancelling():
                # Somebody has closed the client: the caller itself is to go on.
                raise self._no_connection() from None
            raise
        finally:
            self._unsent -= 1

    async def _ask(self, payload: bytes) -> bytes:
        number = next(self._numbers).to_bytes(8, "little")
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            await self._send(number, payload)
            self._deadlines.add(future)
            return await future
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
        """As `Client.submit`; what others submit in the same moment goes in the same frame."""
        prepared = prepare(commands, await self.directory(), actor, source)
        if prepared.needs_refresh and self._may_refresh():
            await self.connect()
            prepared = prepare(commands, await self.directory(), actor, source)
        received = await self._joining.submit(prepared.records) if len(prepared.records) else prepared.records
        return prepared.merge(received, (await self.directory()).instruments)

    async def submit_records(self, records: NDArray[Any]) -> NDArray[Any]:
        """As `Client.submit_records`."""
        return in_records(await self._ask_logged_in(self._framed(records)))

    async def administer(
        self, command: AdministrativeCommand, *, actor: str | None = None, source: Source | None = None
    ) -> Reply:
        """As `Client.administer`."""
        return in_json(await self._ask_logged_in(answers.administrative(command, actor, source)), Reply)

    async def status(
        self, account: str, *, client_order_id: str | None = None, order_id: str | None = None
    ) -> OrderState | None:
        """As `Client.status`."""
        asked = request("status", account=account, client_order_id=client_order_id, order_id=order_id)
        return answers.order_state(await self._ask_logged_in(asked))

    async def preview(self, order: NewOrder) -> Preview:
        """As `Client.preview`."""
        return in_json(await self._ask_logged_in(as_json({"type": "preview", "order": order})), Preview)

    async def depth(self, symbol: str, levels: int = 10) -> Book:
        """As `Client.depth`."""
        return in_json(await self._ask_logged_in(request("depth", symbol=symbol, levels=levels)), Book)

    async def market_data(self, symbol: str) -> answers.Streams:
        """As `Client.market_data`."""
        return in_json(await self._ask_logged_in(request("market_data", symbol=symbol)), answers.Streams)

    async def trades(self, symbol: str, first: int = 1) -> answers.Tape:
        """As `Client.trades`."""
        return in_json(await self._ask_logged_in(request("trades", symbol=symbol, first=first)), answers.Tape)

    async def positions(self) -> answers.Positions:
        """As `Client.positions`."""
        return in_json(await self._ask_logged_in(request("positions")), answers.Positions)

    async def revoke(self, sessions: Mapping[str, int]) -> answers.Revoked:
        """As `Client.revoke`."""
        return in_json(await self._ask_logged_in(request("revoke", sessions=dict(sessions))), answers.Revoked)

    async def state_hash(self) -> answers.StateHash:
        """As `Client.state_hash`."""
        return in_json(await self._ask_logged_in(request("state_hash")), answers.StateHash)

    async def subscribe(self, account: str) -> answers.Subscription:
        """As `Client.subscribe`."""
        self._subscribed.add(account)
        return in_json(await self._ask_logged_in(request("subscribe", account=account)), answers.Subscription)

    async def unsubscribe(self, account: str) -> answers.Subscription:
        """As `Client.unsubscribe`."""
        self._subscribed.discard(account)
        return in_json(await self._ask_logged_in(request("unsubscribe", account=account)), answers.Subscription)

    async def reports(self) -> AsyncIterator[Reports]:
        """The reports of the accounts subscribed to, as they come."""
        while True:
            yield await self._reports.get()

    async def ping(self) -> int:
        """As `Client.ping`."""
        return in_json(await self._ask(request("ping")), answers.Pong).last_seq

    async def close(self) -> None:
        self._joining.close()
        self._deadlines.close()
        self._dealer.close()
        self._context.term()
