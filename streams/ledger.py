"""The books of account as pure folds over integers: no clock, no network, no floats.

Units: prices in ticks, quantities in lots, money in units of 1e-6 of the currency (`engine.units`). How each number is
defined, with examples, is in `docs/ledger.md`.

Cost basis and split invariance. A holding remembers the cost and quantity of its base (what was held after the last
increase) and how much of it was closed since. The relief of a reduction is the difference of two cumulative reliefs,
each `base_cost × closed / base_quantity` rounded half to even once, so that closing 10 lots in one fill or in ten gives
the same cost, the same realized P&L and the same average price to the last unit. First in, first out keeps the lots as
layers, each with its own cost, and closes the oldest first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from msgspec import Struct

from engine.units import divide_half_even
from engine.words import CostMethod


class Execution(Struct, frozen=True):
    """One side of a trade: `lots` is signed, positive for a purchase; `fee` is negative for a rebate."""

    seq: int
    index: int
    lots: int
    ticks: int
    fee: int
    ts_ns: int


class Layer(Struct, frozen=True, array_like=True):
    """Lots that were opened together: `cost` is theirs all, with the position's sign, `closed` of them are gone."""

    lots: int
    cost: int
    closed: int
    ticks: int
    """What each of them has cost, so that more at this price join them."""


class Holding(Struct, frozen=True):
    """What one account holds of one instrument.

    `quantity`, `base_cost` and `cost` carry the sign of the position. `realized` does not hold the fees.
    `bought` and `sold` count lots since the beginning. With `layers` (first in, first out) the base is all that is
    held."""

    quantity: int = 0
    base_cost: int = 0
    base_quantity: int = 0
    closed: int = 0
    realized: int = 0
    fees: int = 0
    bought: int = 0
    sold: int = 0
    last_price: int = 0
    last_seq: int = 0
    last_index: int = -1
    ts_ns: int = 0
    layers: tuple[Layer, ...] = ()

    @property
    def cost(self) -> int:
        """Money paid for what is held now (received, and so negative, for a short position)."""
        return self.base_cost - relief(self.base_cost, self.base_quantity, self.closed)


FLAT = Holding()


def relief(base_cost: int, base_quantity: int, closed: int) -> int:
    """The part of `base_cost` that the first `closed` of `base_quantity` lots take with them, half to even."""
    return divide_half_even(base_cost * closed, base_quantity) if closed else 0


def is_applied(holding: Holding, execution: Execution) -> bool:
    """Whether the holding has already counted this execution, or a later one: the guard against repeats."""
    return (execution.seq, execution.index) <= (holding.last_seq, holding.last_index)


def apply(holding: Holding, execution: Execution, money_per_tick_lot: int) -> Holding:
    """The holding after the execution; the same object where the execution was counted before.

    A fill beyond flat first closes all that is held, then opens the rest on the other side."""
    if is_applied(holding, execution):
        return holding
    held, lots = holding.quantity, execution.lots
    unit = execution.ticks * money_per_tick_lot
    closing = 0
    if held > 0 > lots:
        closing = max(lots, -held)
    elif held < 0 < lots:
        closing = min(lots, -held)
    opening = lots - closing

    base_cost, base_quantity, closed = holding.base_cost, holding.base_quantity, holding.closed
    realized = holding.realized
    if closing:
        before = relief(base_cost, base_quantity, closed)
        closed += abs(closing)
        realized += -closing * unit - (relief(base_cost, base_quantity, closed) - before)
        if held + closing == 0:
            base_cost = base_quantity = closed = 0
    if opening:
        base_cost += opening * unit - relief(base_cost, base_quantity, closed)
        base_quantity, closed = abs(held + closing + opening), 0
    return Holding(
        quantity=held + lots,
        base_cost=base_cost,
        base_quantity=base_quantity,
        closed=closed,
        realized=realized,
        fees=holding.fees + execution.fee,
        bought=holding.bought + max(lots, 0),
        sold=holding.sold + max(-lots, 0),
        last_price=execution.ticks,
        last_seq=execution.seq,
        last_index=execution.index,
        ts_ns=execution.ts_ns,
    )


def apply_fifo(holding: Holding, execution: Execution, money_per_tick_lot: int) -> Holding:
    """`apply`, but what is closed are the lots that were opened first."""
    if is_applied(holding, execution):
        return holding
    held, lots = holding.quantity, execution.lots
    unit = execution.ticks * money_per_tick_lot
    closing = 0
    if held > 0 > lots:
        closing = max(lots, -held)
    elif held < 0 < lots:
        closing = min(lots, -held)
    opening = lots - closing

    layers, cost, realized = holding.layers, holding.base_cost, holding.realized
    if closing:
        layers, released = _close_oldest(layers, abs(closing))
        cost -= released
        realized += -closing * unit - released
    if opening:
        cost += opening * unit
        layers = _open(layers, Layer(abs(opening), opening * unit, 0, execution.ticks))
    return Holding(
        quantity=held + lots,
        base_cost=cost,
        base_quantity=abs(held + lots),
        closed=0,
        realized=realized,
        fees=holding.fees + execution.fee,
        bought=holding.bought + max(lots, 0),
        sold=holding.sold + max(-lots, 0),
        last_price=execution.ticks,
        last_seq=execution.seq,
        last_index=execution.index,
        ts_ns=execution.ts_ns,
        layers=layers,
    )


def _close_oldest(layers: tuple[Layer, ...], lots: int) -> tuple[tuple[Layer, ...], int]:
    """The layers without so many of their first lots, and the cost that these take with them."""
    released = gone = 0
    for layer in layers:
        before = relief(layer.cost, layer.lots, layer.closed)
        if layer.lots - layer.closed > lots:
            closed = layer.closed + lots
            rest = Layer(layer.lots, layer.cost, closed, layer.ticks)
            return (rest, *layers[gone + 1 :]), released + relief(layer.cost, layer.lots, closed) - before
        lots -= layer.lots - layer.closed
        released += layer.cost - before
        gone += 1
        if not lots:
            break
    return layers[gone:], released


def _open(layers: tuple[Layer, ...], new: Layer) -> tuple[Layer, ...]:
    """With one more. What is opened at the last one's price joins it, so that a fill may come in pieces."""
    if layers and layers[-1].ticks == new.ticks:
        last = layers[-1]
        return (*layers[:-1], Layer(last.lots + new.lots, last.cost + new.cost, last.closed, last.ticks))
    return (*layers, new)


APPLY: Final[dict[str, Callable[[Holding, Execution, int], Holding]]] = {
    CostMethod.AVERAGE.wire: apply,
    CostMethod.FIFO.wire: apply_fifo,
}
"""The fold of each way of telling what a sale has cost."""


def market_value(quantity: int, half_ticks: int, money_per_tick_lot: int) -> int:
    """What `quantity` lots (signed) are worth in money units, half a unit rounded to even.

    The price comes as half ticks, since the middle between two ticks may lie on a half: bid + ask for a mid, twice the
    last price otherwise."""
    return divide_half_even(quantity * half_ticks * money_per_tick_lot, 2)


class Line(NamedTuple):
    """One instrument in an account, valued at a mark; all in money units."""

    cost: int
    realized: int
    fees: int
    value: int


class Sums(NamedTuple):
    """Lines of one currency added up."""

    realized: int
    unrealized: int
    fees: int
    gross: int
    net: int


class Rate(NamedTuple):
    """What a unit of money is worth in another currency: numerator / denominator units."""

    numerator: int
    denominator: int


def add_up(lines: Iterable[Line]) -> Sums:
    realized = unrealized = fees = gross = net = 0
    for line in lines:
        realized += line.realized
        unrealized += line.value - line.cost
        fees += line.fees
        gross += abs(line.value)
        net += line.value
    return Sums(realized, unrealized, fees, gross, net)


def converted(sums: Sums, rate: Rate) -> Sums:
    """In another currency: each sum by itself, half a unit rounded to even."""
    return Sums(*(divide_half_even(amount * rate.numerator, rate.denominator) for amount in sums))


class Totals(NamedTuple):
    """An account marked to the market; all in money units."""

    realized: int
    unrealized: int
    fees: int
    equity: int
    peak_equity: int
    drawdown: int
    gross_exposure: int
    net_exposure: int
    peak_profit: int


def value_account(deposits: int, peak_profit: int, parts: Iterable[Sums]) -> Totals:
    """Marks an account, of which `parts` are in its own currency: equity = deposits + realized + unrealized − fees.

    The peak is kept as profit (equity − deposits, never below 0) and shown as `peak_equity` = deposits + peak profit,
    so that paying in or out moves peak and equity alike and makes no drawdown."""
    columns = list(zip(*parts, strict=True)) or [()] * len(Sums._fields)
    realized, unrealized, fees, gross, net = map(sum, columns)
    profit = realized + unrealized - fees
    peak = max(peak_profit, profit, 0)
    return Totals(
        realized=realized,
        unrealized=unrealized,
        fees=fees,
        equity=deposits + profit,
        peak_equity=deposits + peak,
        drawdown=peak - profit,
        gross_exposure=gross,
        net_exposure=net,
        peak_profit=peak,
    )
