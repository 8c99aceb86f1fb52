"""Finding an order by what its owner calls it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeGuard

import msgspec

from engine.core import Core
from engine.decode import order_number
from engine.layout import CLIENT_ORDER_ID_LENGTH
from engine.messages import OrderCommand, Replace
from engine.refusal import Refusal
from engine.words import Reason


def find_order(core: Core, account: str, client_order_id: str | None, order_id: str | None) -> int:
    """The core's record of an account's order. Raises `Refusal` where the account has no such order."""
    entry = core.accounts.find(account)
    if entry is None:
        raise Refusal(Reason.UNKNOWN_ACCOUNT, "account", f"no account is called {account}")
    if order_id is None:
        record = core.find_client(entry.number, client_order_id) if _is_possible(client_order_id) else 0
    else:
        record = core.find_order(order_number(order_id))
        if record and core.order_state(record).account != account:
            record = 0
    if record == 0:
        raise Refusal(Reason.UNKNOWN_ORDER, "client_order_id" if order_id is None else "order_id")
    return record


def _is_possible(client_order_id: str | None) -> TypeGuard[str]:
    """Whether an order can have it: a longer text would be taken for its first characters."""
    return (
        client_order_id is not None
        and 0 < len(client_order_id) <= CLIENT_ORDER_ID_LENGTH
        and client_order_id.isascii()
        and client_order_id.isprintable()
    )


def with_symbol(core: Core, command: OrderCommand, flush: Callable[[], None]) -> OrderCommand:
    """A replace needs its order's symbol, for the tick and the lot; where it names none, the engine knows it, once what
    came before has been applied (`flush`). Raises `Refusal` where there is no such order."""
    if not isinstance(command, Replace) or command.symbol is not None:
        return command
    flush()
    record = find_order(core, command.account, command.client_order_id, command.order_id)
    return msgspec.structs.replace(command, symbol=core.order_state(record).symbol)
