"""What a strategy is: a class with declared parameters, a state that can be saved, and a method for each kind of event.

    class Example(Strategy):
        class Parameters(Strategy.Parameters):
            symbol: Symbol = "AAPL"
            quantity: Annotated[float, Meta(gt=0)] = 1.0

        class State(Strategy.State):
            bars: int = 0

        def on_bar(self, bar: Bar) -> None:
            self.state.bars += 1
            if self.desk.position(bar.symbol) == 0:
                self.desk.buy(bar.symbol, self.parameters.quantity)

A strategy may use what the events say and what its desk knows, and nothing else: no clock, no network, no random number
without a seed of its own. Then it sends the same orders for the same events wherever it runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Final

import msgspec
from msgspec import Meta, Struct

from engine.messages import NAME_PATTERN
from streams.strategies.desk import Desk
from streams.strategies.events import Bar, BookUpdate, OrderUpdate, Timer, TradeUpdate

Symbol = Annotated[str, Meta(min_length=1, max_length=16, pattern=NAME_PATTERN)]
Positive = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=1)]
MINUTE_S: Final = 60


class ParameterError(ValueError):
    """A parameter is not one of the strategy's, or breaks its rule; the text names both."""


class Strategy:
    """Base of all strategies. What is not overridden does nothing."""

    class Parameters(Struct, kw_only=True, forbid_unknown_fields=True):
        """Declared and checked: msgspec's types and constraints."""

    class State(Struct, kw_only=True):
        """All that the strategy remembers; anything msgspec can write as JSON."""

    takes: ClassVar[tuple[str, ...]] = ("bar",)
    """The market events that it wants: `bar`, `book`, `trade`. Its orders' reports always come."""

    def __init__(self, parameters: Any, desk: Desk) -> None:
        self.parameters = parameters
        self.desk = desk
        self.state: Any = self.State()
        self.check()

    # --------------------------------------------------------------------------------------------- what to override

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols whose events it wants: the parameter `symbol`, unless overridden."""
        return (self.parameters.symbol,)

    @property
    def warm_up(self) -> int:
        """How many bars of each symbol are to be seen before an order is sent."""
        return 0

    @property
    def bar_seconds(self) -> int:
        """Length of the bars that a live run makes from trades: the parameter of this name where there is one."""
        return int(getattr(self.parameters, "bar_seconds", MINUTE_S))

    @property
    def timer_seconds(self) -> float:
        """Every how many seconds `on_timer` is called; 0: never."""
        return 0.0

    def check(self) -> None:
        """Raises `ParameterError` where parameters that are right alone do not fit together."""

    def on_start(self) -> None:
        """Once, before the first event; not after a restart from a saved state."""

    def on_bar(self, bar: Bar) -> None:
        """An interval is over."""

    def on_book(self, book: BookUpdate) -> None:
        """The best levels have changed."""

    def on_trade(self, trade: TradeUpdate) -> None:
        """Somebody has traded."""

    def on_order(self, update: OrderUpdate) -> None:
        """A report of one of its own orders, fills included."""

    def on_fill(self, update: OrderUpdate) -> None:
        """One of its own orders has traded; called after `on_order`."""

    def on_timer(self, timer: Timer) -> None:
        """`timer_seconds` have passed."""

    def signals(self) -> dict[str, float]:
        """Numbers to publish to the topic `signals` after each bar, by name."""
        return {}


def parameters(kind: type[Strategy], given: dict[str, Any]) -> Any:
    """The parameters of a strategy from text or values. Raises `ParameterError` naming the parameter and the rule."""
    fields = {field.name: field for field in msgspec.structs.fields(kind.Parameters)}
    for name in given:
        if name not in fields:
            raise ParameterError(f"{name}: {kind.__name__} has no such parameter; it has {', '.join(fields) or 'none'}")
    missing = [name for name, field in fields.items() if field.required and name not in given]
    if missing:
        raise ParameterError(f"{', '.join(missing)}: required by {kind.__name__}, and not given")
    try:
        return msgspec.convert(given, kind.Parameters, strict=False)
    except msgspec.ValidationError as error:
        rule, _, place = str(error).partition(" - at `$.")
        name = place.rstrip("`")
        raise ParameterError(f"{name}: {rule[0].lower()}{rule[1:]}" if name else f"{rule}") from None


def with_symbol(kind: type[Strategy], given: dict[str, Any], symbols: Sequence[str]) -> dict[str, Any]:
    """What was given, and the parameter `symbol` where the strategy needs it and the data has only one."""
    needs = any(field.name == "symbol" and field.required for field in msgspec.structs.fields(kind.Parameters))
    return {"symbol": symbols[0], **given} if needs and len(symbols) == 1 else given


def parameter_texts(kind: type[Strategy]) -> list[tuple[str, str, str]]:
    """Name, type and default of each parameter."""
    rows = []
    for field in msgspec.structs.fields(kind.Parameters):
        has_default = field.default is not msgspec.NODEFAULT
        rows.append((field.name, _type_text(field.type), str(field.default) if has_default else "required"))
    return rows


def _type_text(kind: Any) -> str:
    base = getattr(kind, "__origin__", kind)
    return str(getattr(base, "__name__", base))
