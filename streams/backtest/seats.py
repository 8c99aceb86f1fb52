"""Who takes part in a backtest: strategies with their accounts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

from streams.strategies.instrument import Listed
from streams.strategies.running import Running
from streams.strategies.strategy import Strategy

MOST_ANSWERS: Final = 10_000
"""What a strategy may do at one moment: one that answers each report of its own orders with another order would never
come to an end."""


class Endless(RuntimeError):
    """A strategy answers itself without end, and no time passes."""

    def __init__(self, tag: str, ts_ns: int) -> None:
        super().__init__(
            f"strategy {tag} did more than {MOST_ANSWERS:,} things at one moment ({ts_ns} ns): it answers what its own"
            " orders do without end. A latency above 0 lets time pass between them"
        )


class Entrant(NamedTuple):
    """A strategy to be run. Several may share an account: its money is then that of all of them, positions stay
    apart."""

    kind: type[Strategy]
    parameters: Any
    """Of its `Parameters`."""
    name: str
    """Carried by its orders; distinct within a backtest."""
    account: str = "backtest"


def seated(entrants: Sequence[Entrant], instruments: Mapping[str, Listed], cash: Decimal) -> list[Running]:
    """Each strategy at its desk; `cash` is what every account begins with, and what each strategy on it may count on.

    Raises:
        ValueError: two entrants have one name.
        ParameterError: a strategy does not fit the instruments.
    """
    names = [entrant.name for entrant in entrants]
    if len(set(names)) != len(names):
        raise ValueError(f"strategies of one backtest need distinct names: {', '.join(names)}")
    return [
        Running(
            one.kind,
            one.parameters,
            account=one.account,
            tag=one.name,
            instruments={symbol: instruments[symbol] for symbol in instruments},
            cash=cash,
            name=one.name,
        )
        for one in entrants
    ]
