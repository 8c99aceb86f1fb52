"""Positions as fills and corporate actions change them: a pure fold over holdings, shared by the agent and a replay."""

from __future__ import annotations

from typing import NamedTuple

from engine import messages
from engine.units import Scale
from streams import corporate_actions, ledger, records
from streams.corporate_actions import Action

Holdings = dict[str, ledger.Holding]
"""By `account|symbol`, and the part of each that a strategy tag has traded by `account|symbol|strategy`."""


class Folded(NamedTuple):
    """What a fill did: the keys whose holding it changed, and the position as it is published."""

    keys: tuple[str, ...]
    record: messages.Position


def fold(holdings: Holdings, fill: messages.Fill, scale: Scale, method: str) -> Folded | None:
    """Counts a fill in `holdings`; None where it was counted before. `method` is the account's `words.CostMethod`.
    Raises `Unusable` for a fill that no market makes; then nothing is changed."""
    apply = ledger.APPLY[method]
    execution = records.execution(fill, scale)
    key = f"{fill.account}|{fill.symbol}"
    before = holdings.get(key, ledger.FLAT)
    after = apply(before, execution, scale.money_per_tick_lot)
    if after is before:
        return None
    holdings[key] = after
    if fill.strategy is None:
        return Folded((key,), records.position(fill.account, fill.symbol, after, scale, [], fill.action_seq))
    part_key = f"{key}|{fill.strategy}"
    part = apply(holdings.get(part_key, ledger.FLAT), execution, scale.money_per_tick_lot)
    holdings[part_key] = part
    strategies = [records.strategy_position(fill.strategy, part, scale)]
    record = records.position(fill.account, fill.symbol, after, scale, strategies, fill.action_seq)
    return Folded((key, part_key), record)


def act(holdings: Holdings, symbol: str, action: Action, scale: Scale) -> list[Folded]:
    """Every holding of the symbol counts a corporate action, and so do its strategies' parts; one result for each that
    holds anything and has not counted it before."""
    accounts: dict[str, list[str]] = {}
    for key, holding in holdings.items():
        account, _, rest = key.partition("|")
        name, _, strategy = rest.partition("|")
        if name == symbol:
            parts = accounts.setdefault(account, [])
            if strategy and holding.quantity:
                parts.append(strategy)
    made = []
    for account, parts in sorted(accounts.items()):  # the same order at every run, whatever was loaded when
        parts.sort()
        key = f"{account}|{symbol}"
        before = holdings[key]
        if corporate_actions.is_carried_out(before, action) or not (before.quantity or parts):
            continue
        keys = (key, *(f"{key}|{strategy}" for strategy in parts))
        for one in keys:
            holdings[one] = corporate_actions.act(holdings[one], action, scale.money_per_tick_lot)
        strategies = [
            records.strategy_position(strategy, holdings[one], scale)
            for strategy, one in zip(parts, keys[1:], strict=True)
        ]
        made.append(Folded(keys, records.position(account, symbol, holdings[key], scale, strategies, action.seq)))
    return made
