"""Sequenced commands as the records of the topic `commands`: all that was asked, as the JSON that its sender could have
sent, and what the engine stamped. An administrative command's record is in `publisher`."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.core import Core
from engine.jit import as_bytes, entry
from engine.layout import COMMAND
from engine.messages import SequencedCommand
from engine.texts import (
    COMMANDS,
    DURABILITIES,
    LIST_TYPES,
    ORDER_TYPES,
    SELF_TRADES,
    SIDES,
    SOURCES,
    TIMES,
    Names,
    Text,
    decoded,
    percent_text,
    those_given,
)
from engine.words import LIST_SHIFT, CommandType, Flag

LIST_MASK: Final = 3
LIST_FLAGS: Final = LIST_MASK << LIST_SHIFT
FLAGS: Final = int(Flag.POST_ONLY | Flag.REDUCE_ONLY | Flag.TRAIL_PERCENT | Flag.DISCONNECTED) | LIST_FLAGS
LARGEST_WORDS: Final = {
    name: max(words)
    for name, words in (
        ("side", SIDES),
        ("order_type", ORDER_TYPES),
        ("time_in_force", TIMES),
        ("self_trade_prevention", SELF_TRADES),
        ("durability", DURABILITIES),
        ("source", SOURCES),
    )
}
NOT_FROM_KAFKA: Final = -1
_OFFSETS: Final = {name: place[1] for name, place in (COMMAND.fields or {}).items()}
WORDS: Final = np.array([(_OFFSETS[name], largest) for name, largest in LARGEST_WORDS.items()], np.int64)
"""(word: offset, largest)"""
NEW, TRAIL_PERCENT = int(CommandType.NEW), int(Flag.TRAIL_PERCENT)

Column = Callable[[NDArray[Any]], Iterable[Any]]
"""Writes the values of a column as JSON has them."""


@entry
def _unsaid(commands: Any, words: Any, accounts: int, instruments: int, found: Any) -> None:
    octets = as_bytes(commands)
    for row in range(len(commands)):
        flags = int(commands["flags"][row])
        strange = (
            (flags & ~FLAGS) != 0
            or (commands["type"][row] != NEW and (flags & LIST_FLAGS) != 0)
            or ((flags & TRAIL_PERCENT) != 0 and commands["trail"][row] == 0)
            or commands["account"][row] > accounts
            or commands["instrument"][row] > instruments
        )
        for word in range(len(words)):
            if octets[row, words[word, 0]] > words[word, 1]:
                strange = True
        found[row] = strange


def _as_they_are(column: NDArray[Any]) -> list[Any]:
    values: list[Any] = column.tolist()
    return values


class CommandReporter:
    """Makes records out of COMMAND rows, column by column."""

    def __init__(self, core: Core, *, epoch: int = 1) -> None:
        """`epoch`: the one that the records carry."""
        self._core = core
        self._names = Names(core)
        self._epoch = epoch

    def unsaid(self, commands: NDArray[Any]) -> NDArray[np.bool_]:
        """Which commands hold a number that stands for nothing, so that their fields do not tell it."""
        found = np.empty(len(commands), np.bool_)
        accounts, instruments = len(self._core.accounts), len(self._core.instruments)
        _unsaid(np.ascontiguousarray(commands), WORDS, accounts, instruments, found)
        return found

    def records(self, commands: NDArray[Any]) -> list[SequencedCommand]:
        kinds = [COMMANDS[kind] for kind in commands["type"].tolist()]
        places = zip(commands["source_partition"].tolist(), commands["source_offset"].tolist(), strict=True)
        unsaid = set(np.flatnonzero(self.unsaid(commands)).tolist())
        epoch = self._epoch
        return [
            SequencedCommand(
                seq=seq,
                ts_ns=ts_ns,
                source=SOURCES.get(source, ""),
                actor=actor,
                type=kind,
                command=fields,
                source_partition=partition if partition > NOT_FROM_KAFKA else None,
                source_offset=offset if partition > NOT_FROM_KAFKA else None,
                epoch=epoch,
                record=base64.b64encode(commands[row].tobytes()).decode() if row in unsaid else None,
            )
            for row, seq, ts_ns, source, actor, kind, fields, (partition, offset) in zip(
                range(len(commands)),
                commands["seq"].tolist(),
                commands["ts_ns"].tolist(),
                commands["source"].tolist(),
                decoded(commands["actor"]),
                kinds,
                self._fields(commands),
                places,
                strict=True,
            )
        ]

    def _fields(self, commands: NDArray[Any]) -> list[dict[str, Any]]:
        """Of each command the fields that say something; most columns of a batch are empty, and are passed over."""
        units = self._names.units(commands["instrument"])
        prices, quantities = [one.price for one in units], [one.quantity for one in units]

        def word(words: Mapping[int, str | None]) -> Column:
            return lambda column: map(words.get, column.tolist())

        def number(texts: Sequence[Text]) -> Column:
            return lambda column: those_given(column.tolist(), texts)

        flags = commands["flags"]
        percents = flags & int(Flag.TRAIL_PERCENT) != 0
        listed = np.where(commands["type"] == int(CommandType.NEW), flags >> LIST_SHIFT & LIST_MASK, 0)
        columns: dict[str, tuple[NDArray[Any], Column]] = {
            "account": (commands["account"], self._names.accounts),
            "symbol": (commands["instrument"], lambda _: [one.symbol for one in units]),
            "side": (commands["side"], word(SIDES)),
            "order_type": (commands["order_type"], word(ORDER_TYPES)),
            "time_in_force": (commands["time_in_force"], word(TIMES)),
            "quantity": (commands["quantity"], number(quantities)),
            "display_quantity": (commands["display_quantity"], number(quantities)),
            "limit_price": (commands["limit_price"], number(prices)),
            "stop_price": (commands["stop_price"], number(prices)),
            "trail_amount": (commands["trail"] * ~percents, number(prices)),
            "trail_percent": (commands["trail"] * percents, number([percent_text] * len(commands))),
            "expires_ns": (commands["expires_ns"], _as_they_are),
            "post_only": (flags & int(Flag.POST_ONLY) != 0, _as_they_are),
            "reduce_only": (flags & int(Flag.REDUCE_ONLY) != 0, _as_they_are),
            "self_trade_prevention": (commands["self_trade_prevention"], word(SELF_TRADES)),
            "list_type": (listed, word(LIST_TYPES)),
            "disconnected": (flags & int(Flag.DISCONNECTED) != 0, _as_they_are),
            "order_id": (commands["order_id"], number([str] * len(commands))),
            "client_order_id": (commands["client_order_id"], decoded),
            "strategy": (commands["strategy"], decoded),
            "durability": (commands["durability"], word(DURABILITIES)),
            "transact_ns": (commands["transact_ns"], _as_they_are),
        }
        given = {name: texts(column) for name, (column, texts) in columns.items() if np.count_nonzero(column)}
        if not given:
            return [{} for _ in commands]
        names = tuple(given)
        return [
            {name: value for name, value in zip(names, row, strict=True) if value}
            for row in zip(*given.values(), strict=True)
        ]
