"""New orders, one by one."""

from __future__ import annotations

from typing import Any, Final

from engine.reference import checks, risk
from engine.reference.answers import Refused, accepted
from engine.reference.market import drive, enter
from engine.reference.orders import Order
from engine.reference.state import State
from engine.words import ExecType, OrderStatus, Outcome, Reason

COPIED: Final = (
    *("account", "client_order_id", "instrument", "side", "order_type", "time_in_force", "quantity", "limit_price"),
    *("stop_price", "trail", "display_quantity", "expires_ns", "flags", "strategy", "source"),
    "self_trade_prevention",
)
"""What an order has of its command."""
WAITS_NS: Final = 10_000_000_000
CONTENT: Final = tuple(name for name in COPIED if name not in ("account", "client_order_id", "source"))
"""What a repeat must have in common with the first command. When, whence and by whom it was sent may differ."""


def new_order(state: State, command: Any) -> dict[str, Any]:
    """Returns the reply."""
    state.answers.begin(command.seq, command.ts_ns, command.transact_ns)
    try:
        checks.check_account(state, command)
        checks.check_client_order_id(command.client_order_id)
        first = state.remembered.get((command.account, command.client_order_id))
        if first is not None and first.content == content(command):
            return first.first_reply | {"outcome": Outcome.DUPLICATE}
        if first is not None:
            raise Refused(Reason.DUPLICATE_CLIENT_ORDER_ID, "client_order_id")
        checks.check_may_send(state, command)
    except Refused as refused:
        return state.answers.reject_new(command, refused, order_id=0)

    order = as_order(command)
    try:
        checks.check_fields(state, command)
        take_terms(state, order)
        checks.check_entry(state, order)
        checks.check_room(state)
    except Refused as refused:
        order.status = OrderStatus.REJECTED
        state.remember(order)
        order.first_reply = state.answers.reject_new(command, refused, order.order_id)
        return order.first_reply
    if checks.waits_for_venue(state.instrument(order), order):
        order.waits_until_ns = command.ts_ns + WAITS_NS
    state.remember(order)
    state.begin(order)
    risk.count(state, order)
    state.answers.report(order, ExecType.NEW)
    enter(state, order)
    drive(state, state.instrument(order))
    order.first_reply = accepted(order)
    return order.first_reply


def content(command: Any) -> tuple[Any, ...]:
    return tuple(getattr(command, name) for name in CONTENT)


def as_order(command: Any) -> Order:
    copied = {name: getattr(command, name) for name in COPIED}
    return Order(order_id=command.seq, content=content(command), **copied)


def take_terms(state: State, order: Order) -> None:
    """What the account and the instrument decide for an order, it keeps: its fees and what it does when it meets
    itself."""
    account, definition = state.account(order), state.instrument(order).definition
    order.self_trade_prevention = order.self_trade_prevention or account.self_trade_prevention
    order.maker_ppm = definition.maker_fee_ppm if account.maker_ppm is None else account.maker_ppm
    order.taker_ppm = definition.taker_fee_ppm if account.taker_ppm is None else account.taker_ppm
