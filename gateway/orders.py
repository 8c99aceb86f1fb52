"""Orders on their way to the engine: POST, PATCH and DELETE, and the same commands over the WebSocket."""

from __future__ import annotations

import logging
import time
from decimal import Decimal
from typing import Final

import msgspec
from msgspec.structs import asdict, replace
from starlette.requests import Request
from starlette.responses import Response

from engine.decode import random_id, with_ids
from engine.messages import Cancel, CancelAll, Name, NewOrder, Order, OrderCommand, OrderList, Replace, Reply
from engine.refusal import Refusal
from engine.sessions import NOT_YOUR_TIME
from engine.tokens import EVERY_ACCOUNT, Identity
from engine.traces import HEADER, carried, for_log, traceparent
from engine.words import WORKING_WORDS, OrderStatus, Outcome, Reason, Source
from gateway import auth, bodies, browser
from gateway.auth import Authenticator
from gateway.exchange import Exchange
from gateway.hub import Hub
from gateway.lookup import Lookup, no_such_order
from gateway.metrics import Window
from gateway.problems import Problem, rejected
from gateway.requests import seen_of
from gateway.writes import Write, Writes

log = logging.getLogger(__name__)

SETTLE_S: Final = 3.0
"""How long a cancel-all, a kill switch or a limit waits to read its effect back: longer than the publisher takes for
its first records after a start."""
MOST_RESULTS: Final = 1_000
"""Orders of which a cancel-all tells each one's own result; further ones are canceled, and counted."""
REJECTED: Final = Outcome.REJECTED.wire
DUPLICATE: Final = Outcome.DUPLICATE.wire


class NewOrderBody(NewOrder, tag="new", kw_only=True, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`NewOrder` as REST takes it: without `account`, it is for the user's first."""

    account: Name | None = None  # type: ignore[assignment]


class OrderListBody(
    OrderList, tag="order_list", kw_only=True, frozen=True, forbid_unknown_fields=True, omit_defaults=True
):
    """`OrderList`, in the same way."""

    account: Name | None = None  # type: ignore[assignment]


class ReplaceBody(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    quantity: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    durability: str | None = None


class OrderReply(Reply, kw_only=True, frozen=True):
    """`Reply`, and the account that the command was for."""

    account: str


class CancelResult(msgspec.Struct, kw_only=True, frozen=True):
    """What came of one order: `status` as if it had been canceled alone."""

    order_id: str
    client_order_id: str
    symbol: str
    status: int
    order_status: str | None
    reason: str | None
    text: str | None


class BulkCancel(msgspec.Struct, kw_only=True, frozen=True):
    account: str
    affected: int
    """Orders that were canceled; more than `orders` tells where some came in at that very moment."""
    seq: int
    shown: bool
    """Whether whoever reads now reads them as canceled; false where Kafka, from which it is read, is slow to tell."""
    orders: list[CancelResult]


_new_order: Final = msgspec.json.Decoder(NewOrderBody)
_order_list: Final = msgspec.json.Decoder(OrderListBody)
_replace: Final = msgspec.json.Decoder(ReplaceBody)


class Orders:
    def __init__(
        self,
        authenticator: Authenticator,
        exchange: Exchange,
        hub: Hub,
        writes: Writes,
        lookup: Lookup,
        waited: Window,
    ) -> None:
        self._authenticator = authenticator
        self._exchange = exchange
        self._hub = hub
        self._writes = writes
        self._lookup = lookup
        self._waited = waited

    # --------------------------------------------------------------------------------------------------- the routes

    async def create(self, request: Request) -> Response:
        """POST /api/order"""
        identity = self._authenticator.identify(request)
        body = await bodies.read(request, _new_order)
        given = carried(request.headers.get(HEADER, "")) if body.client_order_id is None else None
        if given is not None:
            body = replace(body, client_order_id=given)
        reply = await self._submit(request, identity, body)
        status = 200 if reply.outcome == DUPLICATE else 201
        return browser.reply(browser.encoded(reply), status, {"Location": f"/api/orders/{reply.order_id}"})

    async def preview(self, request: Request) -> Response:
        """POST /api/orders/preview"""
        identity = self._authenticator.identify(request)
        body = await bodies.read(request, _new_order)
        account = auth.trading_account(identity, body.account)
        order = NewOrder(**{**asdict(body), "account": account})
        return browser.reply(browser.encoded(await self._exchange.preview(order)))

    async def create_list(self, request: Request) -> Response:
        """POST /api/order-lists"""
        identity = self._authenticator.identify(request)
        body = await bodies.read(request, _order_list)
        reply = await self._submit(request, identity, body)
        status = 200 if reply.outcome == DUPLICATE else 201
        return browser.reply(browser.encoded(reply), status)

    async def replace(self, request: Request) -> Response:
        """PATCH /api/orders/{order_id}"""
        identity = self._authenticator.identify(request)
        body = await bodies.read(request, _replace)
        if body.quantity is None and body.limit_price is None and body.stop_price is None:
            raise Refusal(Reason.MISSING_FIELD, "quantity", "quantity, limit_price or stop_price must be given")
        order_id = path_order_id(request)
        account, symbol = await self._owner(identity, order_id)
        if symbol is None:
            # The price is checked in the instrument's ticks, and only the engine knows which instrument it is.
            state = await self._exchange.order(account, order_id)
            if state is None:
                raise no_such_order(order_id)
            symbol = state.symbol
        command = Replace(
            account=account,
            symbol=symbol,
            order_id=order_id,
            quantity=body.quantity,
            limit_price=body.limit_price,
            stop_price=body.stop_price,
            durability=body.durability,
        )
        return browser.reply(browser.encoded(await self._submit(request, identity, command)))

    async def cancel(self, request: Request) -> Response:
        """DELETE /api/orders/{order_id}"""
        identity = self._authenticator.identify(request)
        order_id = path_order_id(request)
        account, _ = await self._owner(identity, order_id)
        command = Cancel(account=account, order_id=order_id)
        return browser.reply(browser.encoded(await self._submit(request, identity, command)))

    async def cancel_all(self, request: Request) -> Response:
        """DELETE /api/orders?account=&symbol=&side=: 207 with each order's own result."""
        identity = self._authenticator.identify(request)
        values = bodies.parameters(request, "account", "symbol", "side")
        account = auth.trading_account(identity, values.get("account"))
        rest = CancelAll(account=account, symbol=values.get("symbol"), side=values.get("side"))
        known = [
            order
            for order in self._hub.state.working([account])[-MOST_RESULTS:]
            if (rest.symbol is None or order.symbol == rest.symbol) and (rest.side is None or order.side == rest.side)
        ]
        # What is known here gets a reply each; what is not yet goes with the last command.
        commands = [Cancel(account=account, symbol=order.symbol, order_id=order.order_id) for order in known]
        *replies, last = await self._exchange.submit_all([*commands, rest], identity.actor, Source.REST)
        if last.outcome == REJECTED:
            raise refusal_of(rest, account, last)
        for command, reply in zip(commands, replies, strict=True):
            self._remember(command, account, reply, Source.REST)
        shown = not last.affected or await self.settled(frozenset({account}), last.seq, rest.symbol, rest.side)
        seen_of(request.scope).seq = last.seq
        results = [canceled(order, reply) for order, reply in zip(known, replies, strict=True)]
        affected = sum(result.status == 200 for result in results) + (last.affected or 0)
        answer = BulkCancel(account=account, affected=affected, seq=last.seq, shown=shown, orders=results)
        return browser.reply(browser.encoded(answer), 207)

    async def _submit(self, request: Request, identity: Identity, command: OrderCommand) -> OrderReply:
        seen = seen_of(request.scope)
        try:
            reply = await self.submit(identity, command, Source.REST)
        except Problem as problem:
            told = problem.extensions
            seen.trace = traceparent(str(told.get("account", "")), str(told.get("client_order_id") or ""))
            raise
        seen.seq = reply.seq
        seen.trace = traceparent(reply.account, reply.client_order_id or "")
        return reply

    async def _owner(self, identity: Identity, order_id: str) -> tuple[str, str | None]:
        """The account and symbol of an order that the user may trade. Raises `Problem` 403 or 404."""
        only = auth.trading_account(identity, identity.accounts[0]) if len(identity.accounts) == 1 else None
        order = self._lookup.in_memory(order_id)
        if order is None and (only is None or only == EVERY_ACCOUNT):
            order = await self._lookup.order(order_id)
            if order is None:
                raise no_such_order(order_id)
        if order is None:
            # The engine knows whether it is the user's own.
            assert only is not None
            return only, None
        if not auth.may_see(identity, order.account):
            raise no_such_order(order_id)
        return auth.trading_account(identity, order.account), order.symbol

    # ----------------------------------------------------------------------------------------------------- any door

    async def submit(self, identity: Identity, command: OrderCommand, source: Source) -> OrderReply:
        """The engine's reply. Raises `Problem` or `Refusal` where it is no success."""
        account = auth.trading_account(identity, command.account)
        if command.transact_ns:
            raise Refusal(Reason.NOT_AUTHORIZED, "transact_ns", NOT_YOUR_TIME)
        # With an id a repeat is safe, also where the user gave none.
        command = with_ids(replace(command, account=account), random_id)
        begun = time.perf_counter()
        reply = await self._exchange.submit(command, identity.actor, source)
        self._waited.add(time.perf_counter() - begun)
        if log.isEnabledFor(logging.DEBUG):
            log_reply(command, account, reply)
        refused_before = reply.outcome == DUPLICATE and reply.order_status == OrderStatus.REJECTED.wire
        if reply.outcome == REJECTED or refused_before:
            self._remember(command, account, reply, source)
            raise refusal_of(command, account, reply)
        self._remember(command, account, reply, source)
        if isinstance(command, CancelAll) and reply.affected:
            await self.settled(frozenset({account}), reply.seq, command.symbol, command.side)
        if reply.client_order_id is None and reply.order_id is not None:
            order = self._lookup.in_memory(reply.order_id)
            reply = reply if order is None else replace(reply, client_order_id=order.client_order_id)
        return OrderReply(account=account, **asdict(reply))

    def _remember(self, command: OrderCommand, account: str, reply: Reply, source: Source) -> None:
        """So that nobody reads an order in an older state than this reply tells."""
        if isinstance(command, OrderList):
            legs = reply.orders or []
            for order, leg in zip(command.orders, legs, strict=False):
                new = NewOrder(account=account, symbol=command.symbol, strategy=command.strategy, **asdict(order))
                self._remember_order(new, account, leg, source, legs[0].order_id)
        else:
            self._remember_order(command, account, reply, source)

    def _remember_order(
        self, command: OrderCommand, account: str, reply: Reply, source: Source, list_id: str | None = None
    ) -> None:
        new = command if isinstance(command, NewOrder) else None
        accepted = reply.outcome == Outcome.ACCEPTED.wire
        if reply.seq == 0 or reply.outcome == DUPLICATE or not (accepted or new):
            return  # nothing of any order has changed
        given = None
        if isinstance(command, NewOrder | Replace) and command.symbol:
            entry = self._exchange.instruments.find(command.symbol)
            if entry is not None:
                given = command, entry
        self._writes.remember(Write(reply, account, time.time_ns(), new, given, source, list_id))

    async def settled(
        self, accounts: frozenset[str] | None, seq: int, symbol: str | None = None, side: str | None = None
    ) -> bool:
        """Whether what command `seq` canceled of these accounts (None: of all) shows as canceled here, after a moment
        at most: its reply names no orders that could be remembered."""
        end = time.monotonic() + SETTLE_S
        while self._hub.live:
            if not any(
                order.status in WORKING_WORDS
                and order.last_seq < seq
                and int(order.order_id) < seq
                and (symbol is None or order.symbol == symbol)
                and (side is None or order.side == side)
                for order in self._lookup.all_in_memory(accounts)
            ):
                return True
            left = end - time.monotonic()
            if left <= 0:
                break
            await self._hub.change(left)
        return False


def log_reply(command: OrderCommand, account: str, reply: Reply) -> None:
    """A line for each order that the engine's reply names."""
    for leg in [reply] if reply.orders is None else reply.orders:
        name = leg.client_order_id or getattr(command, "client_order_id", None)
        log.debug(
            "command %d: %s of %s: %s%s",
            reply.seq,
            name or f"order {leg.order_id}",
            account,
            leg.outcome,
            f" ({leg.reason})" if leg.reason else "",
            extra=for_log(traceparent(account, name or "")),
        )


def canceled(order: Order, reply: Reply) -> CancelResult:
    problem = None if reply.outcome != REJECTED else rejected(reply.reason, reply.field, reply.text)
    return CancelResult(
        order_id=order.order_id,
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        status=200 if problem is None else problem.status,
        order_status=reply.order_status,
        reason=reply.reason,
        text=reply.text,
    )


def refusal_of(command: OrderCommand, account: str, reply: Reply) -> Problem:
    """What a refused command answers."""
    extensions: dict[str, str | int | None] = {"account": account}
    for name in ("client_order_id", "order_id", "order_status", "seq"):
        value = getattr(reply, name)
        if value:
            extensions[name] = value
    if "client_order_id" not in extensions and isinstance(command, NewOrder):
        extensions["client_order_id"] = command.client_order_id
    return rejected(reply.reason, reply.field, reply.text, **extensions)


def path_order_id(request: Request) -> str:
    """Raises `Problem` 404 for what cannot be an order's id."""
    order_id: str = request.path_params["order_id"]
    if not (order_id.isascii() and order_id.isdigit() and len(order_id) <= 19 and 0 < int(order_id) < 1 << 63):
        raise no_such_order(order_id)
    return str(int(order_id))
