"""Where and when an order fills within a bar. A bar tells four prices and not their order, so each rule takes the
reading that is worse for the strategy. Pure integers: prices in ticks.

* An order that was sent at the close of a bar is there from the open of the next one, never before.
* A market order fills at that open.
* A limit order fills at the open where that is its price or better; else at its limit where the bar trades *through*
  it. A bar that only touches the limit fills it with `touch` alone: the queue in front is not in the data.
* A stop is set off at the open where that is beyond it, and fills there; else at its stop price where the bar reaches
  it.
* Where one bar reaches both the stop-loss and the take-profit of a bracket, the stop-loss was first.
* `slippage` moves market orders and stops by so many ticks to the worse, but not beyond the bar's high or low, unless
  the open itself lies there.
"""

from __future__ import annotations

from typing import NamedTuple

from engine.words import OrderType

NO_FILL = 0


class BarPrices(NamedTuple):
    """One bar in ticks."""

    open: int
    high: int
    low: int
    close: int


class Rules(NamedTuple):
    touch: bool = False
    slippage_ticks: int = 0
    participation: float = 1.0
    """Most of a bar's volume that orders may take; 1 with a volume of 0 (unknown): everything fills."""
    limit_volume: bool = False
    """Whether `participation` counts at all."""

    def __str__(self) -> str:
        limits = "filled when touched" if self.touch else "filled when traded through"
        volume = f", at most {self.participation:.0%} of a bar's volume" if self.limit_volume else ""
        return f"market at the next open, limits {limits}, slippage {self.slippage_ticks} ticks{volume}"


def market_price(bar: BarPrices, is_buy: bool, slippage: int) -> int:
    """At the open, slipped."""
    return _slipped(bar.open, bar, is_buy, slippage)


def limit_price(bar: BarPrices, is_buy: bool, limit: int, *, touch: bool) -> int:
    """The fill's price, `NO_FILL` where the bar does not fill it."""
    if is_buy:
        if bar.open <= limit:
            return bar.open
        return limit if bar.low < limit or (touch and bar.low == limit) else NO_FILL
    if bar.open >= limit:
        return bar.open
    return limit if bar.high > limit or (touch and bar.high == limit) else NO_FILL


def stop_price(bar: BarPrices, is_buy: bool, stop: int, slippage: int) -> int:
    """The fill's price of a stop that becomes a market order, `NO_FILL` where the bar does not reach it."""
    if is_buy:
        if bar.open >= stop:
            return _slipped(bar.open, bar, True, slippage)
        return _slipped(stop, bar, True, slippage) if bar.high >= stop else NO_FILL
    if bar.open <= stop:
        return _slipped(bar.open, bar, False, slippage)
    return _slipped(stop, bar, False, slippage) if bar.low <= stop else NO_FILL


def stop_limit_price(bar: BarPrices, is_buy: bool, stop: int, limit: int, *, touch: bool) -> tuple[bool, int]:
    """(whether the stop is set off, the fill's price). Set off inside the bar it fills there only where its limit takes
    the stop price itself; what the bar did after that is not known."""
    reached_at_open = bar.open >= stop if is_buy else bar.open <= stop
    if reached_at_open:
        return True, limit_price(bar, is_buy, limit, touch=touch)
    reached = bar.high >= stop if is_buy else bar.low <= stop
    if not reached:
        return False, NO_FILL
    takes = stop <= limit if is_buy else stop >= limit
    return True, stop if takes else NO_FILL


def _slipped(price: int, bar: BarPrices, is_buy: bool, slippage: int) -> int:
    if is_buy:
        return min(price + slippage, max(bar.high, price))
    return max(price - slippage, min(bar.low, price))


STOPS = (OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP)
