"""Counts what happens in a stream of commands, by its reports and replies: a comparison proves nothing about what never
happens."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from numpy.typing import NDArray

from engine.messages import AdministrativeCommand
from engine.words import (
    ExecType,
    Flag,
    ListType,
    OrderStatus,
    OrderType,
    Outcome,
    Reason,
    SelfTrade,
    TimeInForce,
)

AT_THE_DOORS: Final = {
    *(Reason.MALFORMED, Reason.NOT_AUTHORIZED, Reason.UNSUPPORTED, Reason.BUSY),
    *(Reason.QUANTITY_INCREMENT, Reason.PRICE_INCREMENT),
}
"""What is found out before a command becomes a record."""
ENDS_ONLY: Final = {
    *(Reason.NONE, Reason.NO_LIQUIDITY, Reason.LINKED_ORDER, Reason.DAY_ENDED, Reason.DISCONNECTED),
    Reason.CORPORATE_ACTION,
}
"""Why an order ends, but never why a command is refused."""
CANCELED: Final = (
    *(Reason.NONE, Reason.NO_LIQUIDITY, Reason.LINKED_ORDER, Reason.DISCONNECTED, Reason.SELF_TRADE),
    *(Reason.REDUCE_ONLY, Reason.PRICE_COLLAR, Reason.KILL_SWITCH, Reason.POST_ONLY),
    Reason.CORPORATE_ACTION,
    *(Reason.POSITION_LIMIT, Reason.BUYING_POWER),
)
"""Why an order may be canceled: the last three only for the child of a list."""
STOPS: Final = (OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP)
ADMINISTRATIVE: Final = (
    *("DefineInstrument", "DefineAccount", "Deposit", "Limits", "Fees", "Halt", "Resume", "SetPhase", "Kill"),
    *("Split", "Dividend"),
)
"""Those that can be accepted and refused."""


def expected() -> list[str]:
    """Everything that should be counted at least once."""
    names = [f"rejected {reason.wire}" for reason in set(Reason) - AT_THE_DOORS - ENDS_ONLY]
    names += [f"canceled {reason.wire}" for reason in CANCELED]
    names += ["restated self_trade", "restated linked_order", "expired day_ended", "replaced none", "print none"]
    names += [f"new {word.wire}" for words in (OrderType, TimeInForce, ListType) for word in words]
    names += [f"new self_trade {word.wire}" for word in SelfTrade]
    names += [f"new {flag.name}" for flag in (Flag.POST_ONLY, Flag.REDUCE_ONLY, Flag.TRAIL_PERCENT)]
    names += ["new iceberg", "new pending_new", "trade iceberg", "trade second match", "trade fee", "trade rebate"]
    names += [f"triggered {word.wire}" for word in STOPS]
    names += [f"trade {word.wire}" for word in OrderType]
    names += [f"trade {word.wire}" for word in ListType]
    names += ["triggered of a list", "SetPhase trade", "SetPhase canceled", "Timer expired", "Timer triggered"]
    names += ["Resume triggered", "Kill canceled", *(f"outcome {word.wire}" for word in Outcome)]
    names += [f"{name} {outcome}" for name in ADMINISTRATIVE for outcome in ("accepted", "rejected")]
    names += ["Print accepted", "Timer accepted", "Refused rejected"]
    return sorted(names)


class Census:
    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def missing(self) -> list[str]:
        return [name for name in expected() if not self.counts[name]]

    def table(self) -> str:
        return "\n".join(f"{self.counts[name]:9,} {name}" for name in expected())

    def read(self, reports: NDArray[Any], replies: NDArray[Any], command: AdministrativeCommand | None = None) -> None:
        """What one batch of commands, or one administrative command, was answered with."""
        for outcome in replies["outcome"].tolist():
            self.counts[f"outcome {Outcome(outcome).wire}"] += 1
        for report in reports:
            self._read(dict(zip(reports.dtype.names or (), report.item(), strict=True)))
        if command is not None:
            name = type(command).__name__
            self.counts[f"{name} {Outcome(int(replies['outcome'][0])).wire}"] += 1
            for exec_type in reports["exec_type"].tolist():
                self.counts[f"{name} {ExecType(exec_type).wire}"] += 1

    def _read(self, report: dict[str, Any]) -> None:
        exec_type = ExecType(report["exec_type"])
        said = [Reason(report["reason"]).wire]
        if exec_type in (ExecType.NEW, ExecType.TRADE, ExecType.TRIGGERED):
            said += [OrderType(report["order_type"]).wire, TimeInForce(report["time_in_force"]).wire]
            said += [flag.name or "" for flag in Flag if report["flags"] & flag]
            said += [f"self_trade {SelfTrade(report['self_trade_prevention']).wire}"]
            if report["list_id"]:
                said += [ListType(report["flags"] >> 4 & 3).wire, "of a list"]
            if report["display_quantity"]:
                said.append("iceberg")
            if report["order_status"] == OrderStatus.PENDING_NEW:
                said.append("pending_new")
        if exec_type == ExecType.TRADE:
            said += ["second match"] if report["match"] > 1 else []
            said += ["fee"] if report["fee"] > 0 else ["rebate"] if report["fee"] < 0 else []
        for word in said:
            self.counts[f"{exec_type.wire} {word}"] += 1
