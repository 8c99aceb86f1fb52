"""Seeded streams of commands for the small exchange: orders of every kind, changes, repeats, and what an administrator
does meanwhile.

Prices are drawn close together so that much trades; about one command in ten is odd in some way; repeats, unknown ids
and closed orders are among them. The same seed gives the same commands."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any, Final, NamedTuple

import numpy as np
from administration_flow import Administration
from new_orders import CHANGES, SPOILED, a_list, a_scene, an_order, price
from numpy.typing import NDArray
from small_exchange import ACCOUNTS, INSTRUMENTS

from engine.layout import COMMAND
from engine.messages import AdministrativeCommand
from engine.words import LIST_SHIFT, CommandType, OrderType, Source, TimeInForce

NOTHING: Final = {name: b"" if COMMAND[name].kind == "S" else 0 for name in COMMAND.names or ()}

AT_ONCE: Final = (TimeInForce.IOC, TimeInForce.FOK)


class Batch(NamedTuple):
    """What an engine is given at once: COMMAND records, or one administrative command."""

    seq: int
    """Of the first."""
    ts_ns: int
    records: NDArray[Any]
    """Of no records where it is administrative."""
    command: AdministrativeCommand | None = None

    @property
    def count(self) -> int:
        return len(self.records) or 1


def stream(seed: int, count: int, first_seq: int, most: int = 200, administration: bool = True) -> Iterator[Batch]:
    """At least `count` commands, in batches of at most about `most`."""
    flow = Flow(seed, first_seq, administration)
    done = 0
    rows: list[dict[str, Any]] = []
    while done < count:
        given = flow.next()
        if isinstance(given, list):
            rows += given
            done += len(given)
        if rows and (len(rows) >= most or done >= count or not isinstance(given, list)):
            yield Batch(rows[0]["seq"], rows[0]["ts_ns"], records(rows))
            rows = []
        if not isinstance(given, list):
            seq, ts_ns, command = given
            yield Batch(seq, ts_ns, records([]), command)
            done += 1


def records(rows: list[dict[str, Any]]) -> NDArray[Any]:
    """Rows as COMMAND records; what a row does not name is 0."""
    return np.array([tuple((NOTHING | row).values()) for row in rows], COMMAND)


class Flow:
    """One command, or the legs of one list, after another."""

    def __init__(self, seed: int, first_seq: int, administration: bool) -> None:
        self.random = Random(seed)
        self.seq = first_seq
        self.ts_ns = first_seq * 1000
        self.administration = Administration(self.random) if administration else None
        self.sent: list[list[dict[str, Any]]] = []
        """Commands of the recent past, as they were sent."""
        self.parents: list[dict[str, Any]] = []
        """First legs of the recent past."""
        self.orders: list[dict[str, Any]] = []
        """New orders of the recent past: they may be closed by now."""

    def next(self) -> list[dict[str, Any]] | tuple[int, int, AdministrativeCommand]:
        draw = self.random
        self.seq += draw.choice((1, 1, 1, 2))
        self.ts_ns += draw.choice((0, 1_000, 1_000_000, 10_000_000))
        if self.administration is not None and draw.random() < 0.05:
            if draw.random() < 0.05:
                self.ts_ns += 10**9
            return self.seq, self.ts_ns, self.administration.command(self.ts_ns)
        rows = self._repeat() if self.sent and draw.random() < 0.08 else self._commands()
        for row in rows:
            row["seq"], row["ts_ns"] = self.seq, self.ts_ns
            self.seq += 1
        self.seq -= 1
        self.sent = [*self.sent[-40:], [dict(row) for row in rows]]
        return rows

    def _repeat(self) -> list[dict[str, Any]]:
        """A command a second time, half of them changed."""
        rows = [dict(row) for row in self.random.choice(self.sent)]
        if self.random.random() < 0.5:
            _change(self.random, self.random.choice(rows))
        return rows

    def _commands(self) -> list[dict[str, Any]]:
        draw = self.random
        kinds = (CommandType.NEW, CommandType.CANCEL, CommandType.REPLACE, CommandType.CANCEL_ALL)
        (kind,) = draw.choices(kinds, (56, 15, 28, 1))
        if kind == CommandType.NEW and draw.random() < 0.04:
            rows = a_scene(draw, self.seq, self.ts_ns)
            self.parents = [*self.parents[-4:], rows[2] | {"seq": self.seq + 2}]
        elif kind == CommandType.NEW:
            rows = a_list(draw, self.seq, self.ts_ns) if draw.random() < 0.16 else []
            rows = rows or [an_order(draw, self.seq, self.ts_ns)]
            may_rest = rows[0]["order_type"] != OrderType.MARKET and rows[0]["time_in_force"] not in AT_ONCE
            if may_rest or draw.random() < 0.2:
                self.orders = [*self.orders[-50:], *rows]
                self.parents = [*self.parents[-4:], rows[0]] if len(rows) > 1 else self.parents
        elif kind == CommandType.CANCEL_ALL:
            rows = [self._cancel_all()]
        else:
            rows = [self._change_of_an_order(kind)]
        for row in rows:
            row["type"] = int(kind)
            row["source"] = draw.randint(1, max(Source))
            row["source_offset"] = -1
            row["transact_ns"] = draw.randrange(1 << 40)
            row["actor"] = b"actor-%d" % draw.randrange(3)
        if draw.random() < 0.09:
            _spoil(draw, draw.choice(rows))
        return rows

    def _cancel_all(self) -> dict[str, Any]:
        draw = self.random
        return {
            "account": draw.randint(0, len(ACCOUNTS) + 1),
            "instrument": draw.randint(0, len(INSTRUMENTS) + 1),
            "side": draw.randint(0, 2),
            "flags": draw.choice((0, 0, 8)),
        }

    def _change_of_an_order(self, kind: CommandType) -> dict[str, Any]:
        draw = self.random
        row = {"account": draw.randint(1, len(ACCOUNTS))}
        if not self.orders:
            return row
        target = self.orders[-min(len(self.orders), 1 + int(draw.expovariate(0.15)))]
        halted = self.administration is not None and self.administration.halted
        if self.parents and draw.random() < (0.6 if halted else 0.1):
            target = draw.choice(self.parents)
        if draw.random() < 0.95:
            row["account"] = target["account"]
        row |= (
            {"order_id": target["seq"]}
            if draw.random() < 0.7
            else {"client_order_id": target.get("client_order_id", b"")}
        )
        if kind == CommandType.REPLACE:
            row |= self._new_terms(target)
        return row

    def _new_terms(self, target: dict[str, Any]) -> dict[str, Any]:
        """About as much as before, about as much as may be filled by now, or the same; and a price, or none."""
        draw = self.random
        terms = {}
        is_leg = target.get("flags", 0) >> LIST_SHIFT & 3
        if target["quantity"] > 0 and draw.random() < (0.3 if is_leg else 0.7):
            quantity = target["quantity"]
            choices = (quantity, quantity + draw.randint(-10, 5), draw.randint(1, min(quantity, 10**9)))
            terms["quantity"] = max(0, draw.choice(choices))
        for name, chance in (("limit_price", 0.1), ("stop_price", 0.05)):
            if target.get(name) and 1 <= target["instrument"] <= len(INSTRUMENTS) and target["side"] in (1, 2):
                chance = 0.5
            if draw.random() < chance:
                side = target["side"] if draw.random() < 0.8 else draw.randint(1, 2)
                terms[name] = price(draw, min(max(1, target["instrument"]), 3), side)
        return terms


def _spoil(draw: Random, row: dict[str, Any]) -> None:
    """Sets one field to something that it should not, or seldom, be."""
    name, value = draw.choice(SPOILED)
    if name == "quantity" and value == 2**40 and row.get("instrument") != 3:
        return  # the sums of such notionals would count no longer exactly
    row[name] = value


def _change(draw: Random, row: dict[str, Any]) -> None:
    """One field, or two neighbors by as much: a careless comparison of contents might let these cancel out."""
    first = draw.randrange(len(CHANGES))
    for name in CHANGES[first : first + draw.randint(1, 2)]:
        if name == "strategy":
            row[name] = draw.choice((b"x" + row.get(name, b"")[1:], row.get(name, b"") + b"x"))[:16]
        else:
            row[name] = min(2**40 - 1, max(0, row.get(name, 0))) ^ 1
