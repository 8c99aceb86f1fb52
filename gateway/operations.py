"""Every route as people are told of it: what it takes and what it answers. A test holds this against the routes."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from engine import messages
from engine.traces import HEADER
from engine.words import OrderStatus, OrderType, Side
from gateway import analytics, history, keys, layouts, login, market, orders, queries, risk, shapes, system, users
from gateway.bodies import LARGEST_PAGE

TEXT: Final = {"type": "string"}
WHOLE: Final = {"type": "integer", "minimum": 0}


class Parameter(NamedTuple):
    name: str
    schema: dict[str, Any]
    description: str = ""
    place: str = "query"
    required: bool = False


class Operation(NamedTuple):
    method: str
    path: str
    summary: str
    answers: dict[int, Any]
    """Status → type, None: no JSON."""
    parameters: tuple[Parameter, ...] = ()
    body: Any = None
    body_required: bool = True
    token: bool = True
    """Whether it wants one."""
    problems: frozenset[int] = frozenset()
    """Statuses of refusals, besides those that every route has."""
    media_type: str = "application/json"


def words(*known: str) -> dict[str, Any]:
    return {"type": "string", "enum": list(known)}


def within(least: int, most: int, default: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": least, "maximum": most, "default": default}


ACCOUNT: Final = Parameter("account", TEXT, "One of the user's; by default the first, or in lists all")
SYMBOL: Final = Parameter("symbol", TEXT)
LIMIT: Final = Parameter("limit", within(1, LARGEST_PAGE, 100))
CURSOR: Final = Parameter("cursor", TEXT, "The next_cursor of the page before")
START: Final = Parameter("start_ns", WHOLE, "First nanosecond")
END: Final = Parameter("end_ns", WHOLE, "First nanosecond that is no longer part of it")
LIST: Final = (
    ACCOUNT,
    SYMBOL,
    Parameter("side", words(*Side.words())),
    Parameter("strategy", TEXT),
    START,
    END,
    Parameter("sort", words(*queries.SORTS)),
    LIMIT,
    CURSOR,
)
ORDER_ID: Final = Parameter("order_id", {"type": "string", "pattern": "^[0-9]{1,19}$"}, place="path", required=True)
TRACEPARENT: Final = Parameter(
    HEADER,
    TEXT,
    "W3C Trace Context: an order without a client_order_id gets its trace and span ids as one; else it is ignored",
    place="header",
)
SYMBOL_PATH: Final = Parameter("symbol", {"type": "string", "minLength": 1}, place="path", required=True)
USER_PATH: Final = Parameter("username", {"type": "string", "minLength": 1}, place="path", required=True)
ACCOUNT_PATH: Final = Parameter("account", {"type": "string", "minLength": 1}, place="path", required=True)
STATUSES: Final = f"working, or of {', '.join(OrderStatus.words())}, separated by commas"
NO_SUCH: Final = frozenset({404})
TAKEN: Final = frozenset({409})
LOGIN: Final = frozenset({403})

OPERATIONS: Final = (
    Operation("POST", "/api/login", "Log in", {200: login.Granted}, body=login.LoginBody, token=False, problems=LOGIN),
    Operation(
        "POST",
        "/api/refresh",
        "The next tokens of a login",
        {200: login.Granted},
        body=login.RefreshBody,
        body_required=False,
        token=False,
        problems=LOGIN,
    ),
    Operation("POST", "/api/logout", "End a login or an API key", {200: shapes.LoggedOut}),
    Operation(
        "PUT", "/api/password", "Change the own password", {200: shapes.PasswordChanged}, body=users.PasswordBody
    ),
    Operation("GET", "/api/keys", "API keys", {200: shapes.KeyList}, (Parameter("username", TEXT),)),
    Operation("POST", "/api/keys", "Make an API key", {201: keys.NewApiKey}, body=keys.KeyBody),
    Operation(
        "DELETE",
        "/api/keys",
        "End an API key",
        {200: keys.ApiKey},
        (Parameter("key_id", TEXT, required=True),),
        problems=NO_SUCH,
    ),
    Operation("GET", "/api/users", "All users", {200: shapes.UserList}),
    Operation("POST", "/api/users", "Make a user", {201: users.ShownUser}, body=users.UserBody, problems=TAKEN),
    Operation(
        "PATCH",
        "/api/users/{username}",
        "Change a user",
        {200: users.ShownUser},
        (USER_PATH,),
        users.UserChange,
        problems=NO_SUCH,
    ),
    Operation(
        "DELETE",
        "/api/users/{username}",
        "Delete a user",
        {200: users.ShownUser},
        (USER_PATH,),
        problems=NO_SUCH,
    ),
    Operation(
        "POST", "/api/accounts", "Open an account", {201: shapes.Sequenced}, body=users.AccountBody, problems=TAKEN
    ),
    Operation(
        "POST",
        "/api/accounts/{account}/deposits",
        "Pay in or out",
        {201: shapes.Sequenced},
        (ACCOUNT_PATH,),
        users.DepositBody,
        problems=NO_SUCH,
    ),
    Operation(
        "PUT",
        "/api/accounts/{account}/fees",
        "An account's own fees",
        {200: shapes.Sequenced},
        (ACCOUNT_PATH,),
        users.FeesBody,
        problems=NO_SUCH,
    ),
    Operation(
        "POST",
        "/api/order",
        "Enter an order",
        {200: orders.OrderReply, 201: orders.OrderReply},
        (TRACEPARENT,),
        body=orders.NewOrderBody,
        problems=TAKEN,
    ),
    Operation(
        "POST",
        "/api/order-lists",
        "Enter orders that belong together",
        {200: orders.OrderReply, 201: orders.OrderReply},
        body=orders.OrderListBody,
        problems=TAKEN,
    ),
    Operation(
        "POST",
        "/api/orders/preview",
        "What an order would do",
        {200: messages.Preview},
        body=orders.NewOrderBody,
    ),
    Operation(
        "GET",
        "/api/orders",
        "Orders",
        {200: shapes.OrdersPage},
        (
            *LIST,
            Parameter("status", TEXT, STATUSES),
            Parameter("order_type", words(*OrderType.words())),
            Parameter("client_order_id", TEXT),
        ),
    ),
    Operation(
        "DELETE",
        "/api/orders",
        "Cancel all orders of an account",
        {207: orders.BulkCancel},
        (ACCOUNT, SYMBOL, Parameter("side", words(*Side.words()))),
        problems=NO_SUCH,
    ),
    Operation("GET", "/api/orders/{order_id}", "One order", {200: messages.Order}, (ORDER_ID,), problems=NO_SUCH),
    Operation(
        "PATCH",
        "/api/orders/{order_id}",
        "Replace an order",
        {200: orders.OrderReply},
        (ORDER_ID,),
        orders.ReplaceBody,
        problems=NO_SUCH,
    ),
    Operation(
        "DELETE", "/api/orders/{order_id}", "Cancel an order", {200: orders.OrderReply}, (ORDER_ID,), problems=NO_SUCH
    ),
    Operation(
        "GET",
        "/api/executions",
        "Fills",
        {200: shapes.ExecutionsPage},
        (*LIST, Parameter("order_id", {"type": "integer", "minimum": 1})),
    ),
    Operation(
        "GET",
        "/api/positions",
        "Positions",
        {200: shapes.PositionsPage},
        (ACCOUNT, SYMBOL, Parameter("limit", within(1, LARGEST_PAGE, LARGEST_PAGE)), CURSOR),
    ),
    Operation("GET", "/api/pnl", "The latest P&L of each account", {200: shapes.PnlList}, (ACCOUNT,)),
    Operation("GET", "/api/account", "The user and its accounts", {200: shapes.OwnAccounts}),
    Operation("GET", "/api/risk", "An account's limits", {200: shapes.AccountRisk}, (ACCOUNT,), problems=NO_SUCH),
    Operation(
        "PUT",
        "/api/risk",
        "Set limits",
        {200: shapes.AccountRisk, 202: shapes.Sequenced},
        body=risk.LimitsBody,
    ),
    Operation("POST", "/api/risk/kill", "The kill switch", {200: shapes.Killed}, body=risk.KillBody),
    Operation("GET", "/api/instruments", "Instruments", {200: shapes.InstrumentList}),
    Operation(
        "GET",
        "/api/book/{symbol}",
        "The book",
        {200: messages.Book},
        (SYMBOL_PATH, Parameter("levels", within(1, market.BOOK_LEVELS, market.BOOK_LEVELS))),
        problems=NO_SUCH,
    ),
    Operation(
        "GET",
        "/api/trades/{symbol}",
        "The tape",
        {200: shapes.TradesPage},
        (SYMBOL_PATH, LIMIT, CURSOR),
        problems=NO_SUCH,
    ),
    Operation(
        "GET",
        "/api/candles/{symbol}",
        "Candles",
        {200: shapes.CandleList},
        (
            SYMBOL_PATH,
            Parameter("interval", TEXT, f"{', '.join(market.INTERVALS)}, or seconds"),
            Parameter("start_s", {"type": "integer", "minimum": 0, "maximum": history.LATEST_S}),
            Parameter("end_s", {"type": "integer", "minimum": 0, "maximum": history.LATEST_S}),
            Parameter("limit", within(1, market.LARGEST_CANDLES, 500)),
        ),
        problems=NO_SUCH,
    ),
    Operation(
        "GET",
        "/api/analytics",
        "How an account has done",
        {200: analytics.Analytics},
        (ACCOUNT, START, END, Parameter("points", within(2, analytics.MOST_POINTS, 300))),
    ),
    Operation("GET", "/api/layouts", "What the user keeps of the page", {200: shapes.LayoutList}),
    Operation("PUT", "/api/layouts", "Keep a layout", {200: shapes.KeptLayout}, body=layouts.LayoutBody),
    Operation("GET", "/api/system", "How the whole system is", {200: system.SystemState}),
    Operation(
        "GET",
        "/api/stream",
        "Server-sent events",
        {200: None},
        (
            Parameter("topics", {"type": "string", "examples": ["orders,fills,book:AAPL"]}, required=True),
            Parameter("Last-Event-ID", TEXT, "Resumes behind that event", "header"),
        ),
        media_type="text/event-stream",
    ),
    Operation("GET", "/api/status", "Whether all is well", {200: shapes.StatusShown}, token=False),
    Operation("GET", "/healthz", "The process answers", {200: shapes.Health}, token=False),
    Operation("GET", "/readyz", "Everything is there", {200: shapes.Ready}, token=False),
    Operation("GET", "/metrics", "Prometheus' text format", {200: None}, token=False, media_type="text/plain"),
    Operation("GET", "/openapi.json", "This document", {200: dict[str, Any]}, token=False),
    Operation("GET", "/docs", "The same for people", {200: None}, token=False, media_type="text/html"),
)
