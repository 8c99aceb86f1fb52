"""What the reference answers with: rows of plain values that become REPORT and REPLY records at the end."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.layout import FIELDS, REPLY, REPORT
from engine.reference.orders import Order
from engine.words import ExecType, OrderStatus, Outcome, Reason

ASKED: Final = (
    *("account", "instrument", "side", "order_type", "time_in_force", "client_order_id", "strategy", "source"),
    *("quantity", "limit_price", "stop_price", "trail", "display_quantity", "expires_ns", "flags"),
    "self_trade_prevention",
)
"""What the report of a refused order repeats of it."""
SHOWN: Final = (*ASKED, "order_id", "list_id", "filled", "leaves", "notional")
"""What a report says of an order."""
AT_WORK: Final = ("list_id", "stop_price", "trail", "display_quantity", "expires_ns", "flags", "self_trade_prevention")
"""What the refusal of a change says of an order only while it works."""


class Refused(Exception):
    """A command cannot be carried out: why, and which field is wrong."""

    def __init__(self, reason: Reason, name: str = "") -> None:
        super().__init__(reason, name)
        self.reason = reason
        self.field = FIELDS.index(name) if name in FIELDS else 0


class Applied(NamedTuple):
    reports: NDArray[Any]
    """REPORT, in order."""
    replies: NDArray[Any]
    """REPLY, one a command."""


class Answers:
    """The reports of one command after another."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self._stamp: dict[str, int] = {}
        self._index = 0
        self._matches = 0

    def begin(self, seq: int, ts_ns: int, transact_ns: int) -> None:
        """The reports that follow are those of this command."""
        self._stamp = {"seq": seq, "ts_ns": ts_ns, "transact_ns": transact_ns}
        self._index = 0
        self._matches = 0

    @property
    def seq(self) -> int:
        """Of the command in progress."""
        return self._stamp["seq"]

    def stamp(self, transact_ns: int) -> None:
        """When what the reports tell of happened elsewhere."""
        self._stamp["transact_ns"] = transact_ns

    def next_match(self) -> int:
        """Matches of a command are numbered from 1."""
        self._matches += 1
        return self._matches

    def take(self) -> list[dict[str, Any]]:
        rows, self.rows = self.rows, []
        return rows

    def say(self, **values: Any) -> None:
        self.rows.append(self._stamp | {"index": self._index} | values)
        self._index += 1

    def report(self, order: Order, exec_type: ExecType, **more: int) -> None:
        """The order as it stands now."""
        self.say(**_shown(order) | {"exec_type": exec_type, "order_status": order.status} | more)

    def trade(self, order: Order, **more: int) -> None:
        self.report(order, ExecType.TRADE, **more)

    def reject_new(self, command: Any, refused: Refused, order_id: int) -> dict[str, Any]:
        """`order_id` 0: the refusal is remembered as no order. Returns the reply."""
        self.say(
            exec_type=ExecType.REJECTED,
            order_status=OrderStatus.REJECTED,
            reason=refused.reason,
            field=refused.field,
            order_id=order_id,
            **{name: getattr(command, name) for name in ASKED},
        )
        return rejection(refused) | {
            "order_id": order_id,
            "instrument": command.instrument,
            "order_status": OrderStatus.REJECTED,
            "quantity": command.quantity,
        }

    def reject_change(self, command: Any, order: Order | None, refused: Refused) -> dict[str, Any]:
        """The report shows the order as it is; where none is named, only what the command said. Returns the reply."""
        why = {"exec_type": ExecType.REJECTED, "reason": refused.reason, "field": refused.field}
        if order is None:
            said = {name: getattr(command, name) for name in ("account", "instrument", "client_order_id", "source")}
            self.say(order_status=OrderStatus.REJECTED, **said, **why)
            return rejection(refused)
        shown = _shown(order)
        if not order.works:
            shown |= dict.fromkeys(AT_WORK, 0)
        self.say(**shown, **why, order_status=order.status)
        return rejection(refused) | as_it_is(order)


def _shown(order: Order) -> dict[str, Any]:
    return {name: getattr(order, name) for name in SHOWN}


def rejection(refused: Refused) -> dict[str, Any]:
    return {"outcome": Outcome.REJECTED, "reason": refused.reason, "field": refused.field}


def as_it_is(order: Order) -> dict[str, Any]:
    """The part of a reply that shows an order."""
    return {
        "order_id": order.order_id,
        "instrument": order.instrument,
        "order_status": order.status,
        "quantity": order.quantity,
        "filled": order.filled,
        "leaves": order.leaves,
        "notional": order.notional,
    }


def accepted(order: Order) -> dict[str, Any]:
    """The reply to a command that was carried out on this order."""
    return {"outcome": Outcome.ACCEPTED} | as_it_is(order)


def applied(reports: list[dict[str, Any]], replies: list[dict[str, Any]]) -> Applied:
    return Applied(_records(reports, REPORT), _records(replies, REPLY))


def _records(rows: list[dict[str, Any]], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Rows as records; what a row does not name is 0."""
    nothing = [(name, b"" if dtype[name].kind == "S" else 0) for name in dtype.names or ()]
    return np.array([tuple(row.get(name, zero) for name, zero in nothing) for row in rows], dtype)
