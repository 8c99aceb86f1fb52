"""What a user has: orders, executions, positions, P&L, accounts."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from engine.messages import Fill
from engine.refusal import Refusal
from engine.tokens import Identity
from engine.words import WORKING_WORDS, OrderStatus, OrderType, Reason, Side
from gateway import auth, bodies, browser, paging
from gateway.auth import Authenticator
from gateway.channels import PNL, POSITIONS, Feed
from gateway.history import Chosen, History
from gateway.hub import Hub
from gateway.latest import Away, Latest
from gateway.lookup import Lookup, no_such_order
from gateway.orders import path_order_id
from gateway.problems import Problem, unavailable
from gateway.writes import Writes

READ_BACK_S: Final = 0.25
STATUSES: Final = frozenset(OrderStatus.words())

FILTERS: Final = ("account", "symbol", "side", "strategy", "start_ns", "end_ns", "sort", "limit", "cursor")
"""Query parameters of both lists."""
ORDER_FILTERS: Final = (*FILTERS, "status", "order_type", "client_order_id")
FILL_FILTERS: Final = (*FILTERS, "order_id")
SORTS: Final = ("newest", "oldest")

_fill: Final = msgspec.json.Decoder(Fill)


class Queries:
    def __init__(
        self,
        authenticator: Authenticator,
        hub: Hub,
        writes: Writes,
        lookup: Lookup,
        latest: Latest,
        history: History,
    ) -> None:
        self._authenticator = authenticator
        self._hub = hub
        self._writes = writes
        self._lookup = lookup
        self._latest = latest
        self._history = history

    async def order(self, request: Request) -> Response:
        """GET /api/orders/{order_id}"""
        identity = self._authenticator.identify(request)
        bodies.parameters(request)
        order_id = path_order_id(request)
        order = await self._lookup.order(order_id)
        if order is None or not auth.may_see(identity, order.account):
            raise no_such_order(order_id)
        return browser.reply(browser.encoded(order))

    async def orders(self, request: Request) -> Response:
        """GET /api/orders?account=&symbol=&side=&status=&order_type=&strategy=&client_order_id=&start_ns=&end_ns=&sort=
        &limit=&cursor="""
        identity = self._authenticator.identify(request)
        values = bodies.parameters(request, *ORDER_FILTERS)
        chosen = _chosen(identity, values)
        limit = bodies.page_size(values)
        statuses = _statuses(values.get("status"))
        beyond = paging.cursor_place(values.get("cursor"))
        await self._read_back(chosen.accounts)
        memory = self._lookup.all_in_memory(chosen.accounts)
        try:
            stored = await self._history.orders(chosen, statuses, beyond, limit)
        except Problem:
            # All working orders are in memory, so these need no database.
            if not (statuses is not None and statuses <= WORKING_WORDS and self._hub.loaded.is_set()):
                raise
            stored = []
        page = paging.merge(
            stored,
            memory,
            place=paging.order_place,
            matches=lambda order: chosen.holds(order) and (statuses is None or order.status in statuses),
            beyond=beyond,
            limit=limit,
            oldest_first=chosen.oldest_first,
        )
        content = {"orders": page.records, "next_cursor": paging.cursor_text(page.next_cursor)}
        return browser.reply(browser.encoded(content))

    async def _read_back(self, accounts: frozenset[str] | None) -> None:
        """Until what these accounts were told before is read back from Kafka, for a moment at most: then the list also
        shows what a command did to other orders of theirs."""
        hub, writes = self._hub, self._writes
        waiting = writes.unread(accounts)
        end = time.monotonic() + READ_BACK_S
        while hub.live and (left := end - time.monotonic()) > 0:
            waiting = [number for number in waiting if writes.is_ahead(number, hub.state.orders.get(number))]
            if not waiting:
                return
            await hub.change(left)

    async def executions(self, request: Request) -> Response:
        """GET /api/executions?account=&symbol=&side=&strategy=&order_id=&start_ns=&end_ns=&sort=&limit=&cursor="""
        identity = self._authenticator.identify(request)
        values = bodies.parameters(request, *FILL_FILTERS)
        chosen = _chosen(identity, values)
        limit, beyond = bodies.page_size(values), paging.cursor_place(values.get("cursor"))
        memory = [_fill.decode(event.raw) for event in self._hub.state.recent_fills(chosen.accounts)]
        page = paging.merge(
            await self._history.executions(chosen, beyond, limit),
            memory,
            place=paging.fill_place,
            matches=chosen.holds,
            beyond=beyond,
            limit=limit,
            oldest_first=chosen.oldest_first,
        )
        content = {"executions": page.records, "next_cursor": paging.cursor_text(page.next_cursor)}
        return browser.reply(browser.encoded(content))

    async def positions(self, request: Request) -> Response:
        """GET /api/positions?account=&symbol=&limit=&cursor=: by account and symbol."""
        identity = self._authenticator.identify(request)
        values = bodies.parameters(request, "account", "symbol", "limit", "cursor")
        limit = bodies.whole(values, "limit", bodies.LARGEST_PAGE, 1, bodies.LARGEST_PAGE)
        records = await self._latest_of(
            POSITIONS, auth.chosen(identity, values.get("account")), self._latest.positions, self._positions_of
        )
        symbol, beyond = values.get("symbol"), values.get("cursor", "")
        found = sorted(
            (key, value)
            for key, value in map(_keyed, records)
            if key > beyond and (symbol is None or key.partition("|")[2] == symbol)
        )
        more = found[limit - 1][0] if len(found) > limit else None
        listed = browser.listed(
            POSITIONS.name, [value for _, value in found[:limit]], b',"next_cursor":' + msgspec.json.encode(more)
        )
        return browser.reply(browser.quoted(listed))

    async def _positions_of(self, accounts: frozenset[str] | None) -> list[bytes]:
        return [msgspec.json.encode(position) for position in await self._history.positions(accounts)]

    async def pnl(self, request: Request) -> Response:
        """GET /api/pnl?account="""
        identity = self._authenticator.identify(request)
        accounts = auth.chosen(identity, bodies.parameters(request, "account").get("account"))
        records = await self._latest_of(PNL, accounts, self._latest.pnl, self._no_pnl)
        return browser.reply(browser.quoted(browser.listed(PNL.name, records)))

    async def _no_pnl(self, accounts: frozenset[str] | None) -> list[bytes]:
        """Postgres has the history of the sums without the prices that they were made from."""
        raise unavailable("redis", "neither Kafka nor Redis, which hold the latest P&L, can be read")

    async def _latest_of(
        self,
        feed: Feed,
        accounts: frozenset[str] | None,
        redis: Callable[[list[str]], Awaitable[list[bytes]]],
        postgres: Callable[[frozenset[str] | None], Awaitable[list[bytes]]],
    ) -> list[bytes]:
        """The latest records of a feed: from memory, or, while Kafka has not been read, from Redis or Postgres."""
        if self._hub.loaded.is_set():
            return self._hub.state.values(feed, accounts)
        if accounts is None:
            return await postgres(None)
        try:
            return await redis(sorted(accounts))
        except Away:
            return await postgres(accounts)

    async def account(self, request: Request) -> Response:
        """GET /api/account: who the user is, and each account with its cash, what it may buy for and its latest P&L."""
        identity = self._authenticator.identify(request)
        bodies.parameters(request)
        state = self._hub.state
        accounts = sorted(state.accounts) if auth.visible(identity) is None else list(identity.accounts)
        shown: list[dict[str, Any]] = []
        for name in accounts:
            known = state.accounts.get(name)
            pnl = state.latest[PNL.name].get(name)
            shown.append(
                {
                    "account": name,
                    "currency": known.currency if known else None,
                    "deposits": known.deposits if known else None,
                    "margin_multiple": known.margin_multiple if known else None,
                    "killed": known.killed if known else None,
                    "pnl": None if pnl is None else msgspec.Raw(pnl),
                }
            )
        content = {"username": identity.actor, "role": identity.role, "accounts": shown}
        return browser.reply(browser.encoded(content))


class _Owned(msgspec.Struct):
    account: str
    symbol: str


_owned: Final = msgspec.json.Decoder(_Owned)


def _keyed(record: bytes) -> tuple[str, bytes]:
    """A position's account and symbol, and its JSON."""
    owned = _owned.decode(record)
    return f"{owned.account}|{owned.symbol}", record


def _chosen(identity: Identity, values: dict[str, str]) -> Chosen:
    """Raises `Problem` 403 for another's account, or `Refusal` for a value that cannot be."""
    order_id = values.get("order_id")
    if order_id is not None:
        order_id = str(bodies.whole(values, "order_id", 0, 1, (1 << 63) - 1))
    return Chosen(
        accounts=auth.chosen(identity, values.get("account")),
        symbol=values.get("symbol"),
        side=bodies.one_of(values, "side", Side.words()),
        strategy=values.get("strategy"),
        order_type=bodies.one_of(values, "order_type", OrderType.words()),
        client_order_id=values.get("client_order_id"),
        order_id=order_id,
        start_ns=bodies.stamp(values, "start_ns"),
        end_ns=bodies.stamp(values, "end_ns"),
        oldest_first=bodies.one_of(values, "sort", SORTS, "newest") == "oldest",
    )


def _statuses(text: str | None) -> frozenset[str] | None:
    """The statuses to list: words, separated by commas, `working` standing for those of a working order."""
    if text is None:
        return None
    words = frozenset(text.split(","))
    statuses = (words - {"working"}) | (WORKING_WORDS if "working" in words else frozenset())
    if not statuses <= STATUSES:
        raise Refusal(Reason.INVALID_FIELD, "status", f"status must be working or of {', '.join(sorted(STATUSES))}")
    return statuses
