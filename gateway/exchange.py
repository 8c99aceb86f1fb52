"""The gateway's session with the engine: kept up in the background, used by every request at once."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from engine import tokens
from engine.client import AsyncClient
from engine.messages import AdministrativeCommand, Book, Instrument, NewOrder, OrderCommand, OrderState, Preview, Reply
from engine.refusal import Refusal
from engine.registry import Instruments
from engine.tokens import Identity
from engine.words import Reason, Source
from gateway.problems import Problem, unavailable
from gateway.tasks import end
from streams.lifecycle import Outage

log = logging.getLogger(__name__)

ACTOR: Final = "gateway"
TIMEOUT_S: Final = 2.0
RETRY_S: Final = 0.1
PROBE_S: Final = 1.0
NEW_NAMES: Final = frozenset({Reason.UNKNOWN_ACCOUNT.wire, Reason.UNKNOWN_SYMBOL.wire})
LIFETIME_S: Final = 10 * 365 * 86_400
"""Of our own token: longer than any process lives."""


class Exchange:
    """`instruments` and `listings` are as of the last time the engine told."""

    def __init__(
        self,
        address: str,
        secret: str,
        knows: Callable[[str, OrderCommand], bool],
        revoked: Callable[[], Mapping[str, int]],
    ) -> None:
        """`knows` tells whether Kafka has told of the command's account or symbol, as the reason names it; `revoked`
        all sessions that an engine must refuse."""
        self.instruments = Instruments()
        self.listings: list[Instrument] = []
        self.last_seq = 0
        self._address = address
        self._knows = knows
        self._revoked = revoked
        self._telling: set[asyncio.Task[None]] = set()
        identity = Identity(ACTOR, "service", (tokens.EVERY_ACCOUNT,))
        self._token = tokens.issue(secret, identity, now_s=int(time.time()), lifetime_s=LIFETIME_S)
        self._outage = Outage(log, "the engine")
        self._client: AsyncClient | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        return self._client is not None

    def start(self) -> None:
        self._task = asyncio.create_task(self._keep())

    def revoke(self, session: str, until_s: int) -> None:
        """Has the engine refuse the session; one that is away is told when it is back."""
        client = self._client
        if client is None:
            return

        async def tell() -> None:
            try:
                await client.revoke({session: until_s})
            except (TimeoutError, Refusal) as error:
                await self._lost(client, error)

        task = asyncio.get_running_loop().create_task(tell())
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def has_account(self, account: str) -> bool:
        """As of the last login or refresh."""
        return account in (await self._connected().directory()).session.account_ids

    async def stop(self) -> None:
        if self._task is not None:
            await end([self._task])
        await self._drop()

    async def _keep(self) -> None:
        """Connects, and asks now and then whether the engine is still there."""
        while True:
            if self._client is None:
                await self._connect()
            else:
                await self._probe(self._client)
            await asyncio.sleep(RETRY_S if self._client is None else PROBE_S)

    async def _connect(self) -> None:
        client = AsyncClient(self._address, self._token, timeout_s=TIMEOUT_S)
        try:
            session = await client.connect()
        except (TimeoutError, Refusal, ValueError, ArithmeticError) as error:
            self._outage.lost(error)
            await client.close()
            return
        except BaseException:
            await client.close()
            raise
        self.instruments = (await client.directory()).instruments
        self.listings = session.instruments
        self.last_seq = max(self.last_seq, session.last_seq)
        self._client = client
        self._outage.back()
        try:
            # From here on `revoke` tells of each new one.
            await client.revoke(self._revoked())
        except TimeoutError as error:
            await self._lost(client, error)

    async def _probe(self, client: AsyncClient) -> None:
        try:
            self.last_seq = max(self.last_seq, await client.ping())
        except TimeoutError as error:
            await self._lost(client, error)

    async def _lost(self, client: AsyncClient, cause: Exception) -> None:
        """What still waits to be sent is thrown away: an order must not arrive after its sender has been told that it
        did not."""
        self._outage.lost(cause)
        if self._client is client:
            await self._drop()

    async def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def _connected(self, **extensions: str) -> AsyncClient:
        if self._client is None:
            raise unavailable("engine", "the engine is away; nothing was sent to it", **extensions)
        return self._client

    async def submit(self, command: OrderCommand, actor: str, source: Source) -> Reply:
        """The engine's reply; prices and quantities are checked here first, by the engine's own code.

        Raises `Problem` 503 where the engine is away or does not answer in time."""
        [reply] = await self.submit_all([command], actor, source)
        return reply

    async def submit_all(self, commands: Sequence[OrderCommand], actor: str, source: Source) -> list[Reply]:
        """As `submit`, of commands that the engine takes one right after the other."""
        command = commands[0]
        named = {}
        if isinstance(command, NewOrder) and command.client_order_id is not None:
            named = {"client_order_id": command.client_order_id}
        client = self._connected(**named)
        try:
            replies = await client.submit(commands, actor=actor, source=source)
            reply = replies[0]
            if reply.seq == 0 and reply.reason in NEW_NAMES and self._knows(reply.reason, command):
                # It came into being after the last login, which told the numbers that commands carry.
                await client.connect()
                replies = await client.submit(commands, actor=actor, source=source)
            self.instruments = (await client.directory()).instruments
        except TimeoutError as error:
            await self._lost(client, error)
            detail = "the engine did not answer: the command may or may not have been carried out"
            if named:
                detail += "; sending it again with the same client_order_id is safe"
            raise unavailable("engine", detail, **named) from None
        except Refusal as refusal:
            raise self._session_refused(refusal) from None
        self.last_seq = max(self.last_seq, *(reply.seq for reply in replies))
        return replies

    async def preview(self, order: NewOrder) -> Preview:
        """What the order would do now. Raises `Problem` 503, or `Refusal`."""
        client = self._connected()
        try:
            return await client.preview(order)
        except TimeoutError as error:
            await self._lost(client, error)
            raise unavailable("engine", "the engine did not answer") from None

    async def administer(self, command: AdministrativeCommand, actor: str) -> Reply:
        """The engine's reply. Raises `Problem` 503 where the engine is away or does not answer in time."""
        client = self._connected()
        try:
            reply = await client.administer(command, actor=actor, source=Source.REST)
        except TimeoutError as error:
            await self._lost(client, error)
            detail = "the engine did not answer: the command may or may not have been carried out"
            raise unavailable("engine", detail) from None
        except Refusal as refusal:
            raise self._session_refused(refusal) from None
        self.last_seq = max(self.last_seq, reply.seq)
        return reply

    async def order(self, account: str, order_id: str) -> OrderState | None:
        """What the engine knows of an order of the account. Raises `Problem` 503."""
        client = self._connected()
        try:
            return await client.status(account, order_id=order_id)
        except TimeoutError as error:
            await self._lost(client, error)
            raise unavailable("engine", "the engine did not answer") from None

    async def refresh(self) -> None:
        """Asks again which instruments there are. Raises `Problem` 503."""
        client = self._connected()
        try:
            session = await client.connect()
        except TimeoutError as error:
            await self._lost(client, error)
            raise unavailable("engine", "the engine did not answer") from None
        self.listings = session.instruments

    async def depth(self, symbol: str, levels: int) -> Book:
        """The engine's book. Raises `Problem` 503, or `Refusal`."""
        client = self._connected()
        try:
            return await client.depth(symbol, levels)
        except TimeoutError as error:
            await self._lost(client, error)
            raise unavailable("engine", "the engine did not answer") from None

    def _session_refused(self, refusal: Refusal) -> Problem:
        log.error("the engine refuses the gateway's session: %s", refusal)
        return unavailable("engine", "the engine refuses the gateway's session")
