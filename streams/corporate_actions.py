"""What a split or a cash dividend makes of a holding: pure folds over the ledger's integers.

The rules are in docs/corporate-actions.md."""

from __future__ import annotations

from msgspec import Struct

from engine import messages, units
from engine.units import Scale
from engine.words import Action as Kind
from streams import records
from streams.ledger import Holding, Layer, relief


class Action(Struct, frozen=True):
    """A corporate action in lots, ticks and money units. A dividend has `per_lot`, a split `new` for `old`."""

    seq: int
    ts_ns: int
    new: int
    old: int
    per_lot: int
    ticks_before: int
    """The symbol's last price, 0 where it has never traded."""
    ticks_after: int
    bought: int
    """What all accounts together had bought: a keeper that counts as much has read every fill of before."""
    sold: int


def read(record: messages.CorporateAction, scale: Scale) -> Action:
    """Raises `ValueError` or `InvalidOperation` where a number is none."""
    per_lot, new, old = 0, record.new_shares or 1, record.old_shares or 1
    if record.action == Kind.DIVIDEND.wire:
        per_lot = units.money_units(records.decimal(record.amount or "") * scale.lot)
    return Action(
        seq=record.seq,
        ts_ns=record.ts_ns,
        new=new,
        old=old,
        per_lot=per_lot,
        ticks_before=records.ticks(record.price_before, scale) if record.price_before else 0,
        ticks_after=records.ticks(record.price_after, scale) if record.price_after else 0,
        bought=records.lots(record.bought_quantity, scale),
        sold=records.lots(record.sold_quantity, scale),
    )


def is_carried_out(holding: Holding, action: Action) -> bool:
    """Whether the holding has already counted this action, or a later fill."""
    return (action.seq, 0) <= (holding.last_seq, holding.last_index)


def act(holding: Holding, action: Action, money_per_tick_lot: int) -> Holding:
    """The holding after the action; the same object where it was counted before.

    A split makes a new base of what is held, at the cost that is left; what is less than a lot is closed at the last
    price before it. With layers it is taken from the oldest ones."""
    if is_carried_out(holding, action):
        return holding
    held = holding.quantity
    sign = 1 if held > 0 else -1
    quantity, cost = held, holding.cost
    base_cost, base_quantity, closed, layers = holding.base_cost, holding.base_quantity, holding.closed, holding.layers
    paid, released = held * action.per_lot, 0
    if held and not action.per_lot:
        parts = abs(held) * action.new
        lots, rest = divmod(parts, action.old)
        paid = sign * units.divide_half_even(rest * action.ticks_before * money_per_tick_lot, action.new)
        quantity = sign * lots
        if layers:
            layers = _split_layers(layers, action, rest)
            base_cost = sum(layer.cost for layer in layers)
        else:
            base_cost = cost - relief(cost, parts, rest) if lots else 0
        base_quantity, closed, released = lots, 0, cost - base_cost
    return Holding(
        quantity=quantity,
        base_cost=base_cost,
        base_quantity=base_quantity,
        closed=closed,
        realized=holding.realized + paid - released,
        fees=holding.fees,
        bought=holding.bought,
        sold=holding.sold,
        last_price=action.ticks_after,
        last_seq=action.seq,
        last_index=0,
        ts_ns=action.ts_ns,
        layers=layers,
    )


def _split_layers(layers: tuple[Layer, ...], action: Action, rest: int) -> tuple[Layer, ...]:
    """In parts, `old` of which are a lot after the split: the oldest `rest` parts go, and of what remains each layer
    ends at a whole lot, the fraction going to the next one. A layer that gets no lot leaves its cost to the next."""
    split: list[Layer] = []
    reached = cost = begun = 0
    for layer in layers:
        parts = (layer.lots - layer.closed) * action.new
        left = layer.cost - relief(layer.cost, layer.lots, layer.closed)
        gone = min(rest, parts)
        rest -= gone
        cost += left - relief(left, parts, gone)
        reached += parts - gone
        lots = reached // action.old - begun
        if lots:
            split.append(Layer(lots, cost, 0, 0))
            begun, cost = begun + lots, 0
    return tuple(split)
