"""Reads and plays the tables in `tables/`: what a trader expects of the book, command by command.

A file holds cases. A case begins with `== title` and has up to three parts:

    book before             orders that rest at the start, in order of arrival
        ann a1 sell 100 @ 10.01
    commands                each with its reports below it, all of them and in order, and at last the reply (`=`)
        > bob b1 buy 150 @ 10.01 ioc
          b1 new       leaves 150
          a1 trade     100 @ 10.01 maker filled
          b1 trade     100 @ 10.01 taker partially_filled leaves 50
          b1 canceled  leaves 0 reason no_liquidity
          = accepted canceled filled 100
    book after              every level, highest price first: side, price, quantity, orders; or `empty`
        empty

Commands: `ACCOUNT ID buy|sell QUANTITY [SYMBOL] @ PRICE|market [day|gtc|ioc]`, `ACCOUNT cancel ID`, `ACCOUNT replace ID
[quantity Q] [price P]`, `ACCOUNT cancel all [SYMBOL] [buy|sell]`. An order is named by its client order id, or with `#`
before it by the number that the engine gave it (`#77` where no order has that id: the number 77). `with FIELD NUMBER …`
at the end of a command sets fields of its record as they are.

Reports and replies: what is not said is not looked at, except that a reason, a field and a fee that are not mentioned
must not be there, that the order's number must be the one it was given (`order none`: 0), and that a command without
a reply line must be accepted.

Before the parts a line may set the stage: `engine max_orders 2`, `instrument tick 0.5 lot 0.001 maker -20`. There are
two instruments, XYZ and ABC, which `instrument` sets alike; a command that names none means XYZ. Lines that start
with `#` are remarks.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from engine.layout import COMMAND, FIELDS
from engine.messages import DefineAccount, DefineInstrument
from engine.words import CommandType, ExecType, Liquidity, OrderStatus, OrderType, Outcome, Reason, Side, TimeInForce

ACCOUNTS: Final = {"ann": 1, "bob": 2, "cat": 3, "dan": 4, "nobody": 99}
SYMBOLS: Final = {"XYZ": 1, "ABC": 2, "NONE": 9}
PARTS: Final = ("book before", "commands", "book after")


class Step(NamedTuple):
    command: list[str]
    answers: list[list[str]]


class Case(NamedTuple):
    title: str
    engine: dict[str, int]
    instrument: dict[str, Decimal]
    before: list[list[str]]
    steps: list[Step]
    after: list[list[str]] | None
    """None: the table does not say."""


def read(path: Path) -> list[Case]:
    """The cases of one file. Raises ValueError, with the line, where it is not in the format."""
    cases: list[Case] = []
    part = ""
    for number, line in enumerate(path.read_text().splitlines(), 1):
        words = line.split()
        try:
            if not words or line.lstrip().startswith("# "):
                continue
            if words[0] == "==":
                cases.append(Case(" ".join(words[1:]), {}, {}, [], [], None))
                part = ""
            elif " ".join(words) in PARTS:
                part = " ".join(words)
                if part == "book after":
                    cases[-1] = cases[-1]._replace(after=[])
            elif words[0] == "engine":
                cases[-1].engine.update(_pairs(words[1:], int))
            elif words[0] == "instrument":
                cases[-1].instrument.update(_pairs(words[1:], Decimal))
            elif part == "book before":
                cases[-1].before.append(words)
            elif part == "commands" and words[0] == ">":
                cases[-1].steps.append(Step(words[1:], []))
            elif part == "commands":
                cases[-1].steps[-1].answers.append(words)
            elif part == "book after":
                after = cases[-1].after
                assert after is not None
                after.extend([] if words == ["empty"] else [words])
            else:
                raise ValueError("no part of a case")
        except (ValueError, IndexError, ArithmeticError) as error:
            raise ValueError(f"{path.name}:{number}: {line.strip()!r}: {error}") from error
    return cases


def _pairs(words: list[str], convert: Callable[[str], Any]) -> dict[str, Any]:
    return {name: convert(value) for name, value in zip(words[::2], words[1::2], strict=True)}


class Player:
    """Plays one case on one engine."""

    def __init__(self, make_engine: Callable[..., Any], case: Case) -> None:
        self.case = case
        self.engine = make_engine(**{"max_orders": 100, **case.engine})
        set_up = {"tick": Decimal("0.01"), "lot": Decimal(1), "from": Decimal(1), "to": Decimal(100)} | case.instrument
        self.tick, self.lot = set_up["tick"], set_up["lot"]
        self.seq = 0
        self.order_ids: dict[tuple[int, str], int] = {}
        """(account, client order id) → the engine's number."""
        for symbol in ("XYZ", "ABC"):
            self._administer(
                DefineInstrument(
                    symbol=symbol,
                    tick_size=self.tick,
                    lot_size=self.lot,
                    price_min=set_up["from"],
                    price_max=set_up["to"],
                    maker_fee_ppm=int(set_up.get("maker", 0)),
                    taker_fee_ppm=int(set_up.get("taker", 0)),
                )
            )
        for account in ("ann", "bob", "cat", "dan"):
            self._administer(DefineAccount(account=account))

    def play(self) -> None:
        for words in self.case.before:
            reports, reply = self._apply(words)
            assert len(reports) == 1, f"{' '.join(words)}: an order of `book before` must rest and trade with nothing"
            assert reply["leaves"] > 0, f"{' '.join(words)}: does not rest"
        for step in self.case.steps:
            self._check_step(step)
        if self.case.after is not None:
            assert self._book() == [" ".join(words) for words in self.case.after], "the book after"

    def _check_step(self, step: Step) -> None:
        said, account = " ".join(step.command), ACCOUNTS[step.command[0]]
        reports, reply = self._apply(step.command)
        expected = [words for words in step.answers if words[0] != "="]
        shown = [self._report_words(report) for report in reports]
        assert len(reports) == len(expected), f"{said}\n  reports: " + "\n  ".join(map(str, shown))
        for words, report, words_shown in zip(expected, reports, shown, strict=True):
            client_order_id, exec_type, *rest = words
            wanted = self._wanted(rest, account) | {
                "exec_type": int(ExecType[exec_type.upper()]),
                "client_order_id": b"" if client_order_id == "-" else client_order_id.encode(),
            }
            wanted.setdefault("order_id", self.order_ids.get((int(report["account"]), client_order_id), 0))
            for name, value in ({"reason": 0, "field": 0, "fee": 0} | wanted).items():
                assert report[name] == value, f"{said}\n  {' '.join(words)}\n  {name} of {words_shown}"
        last = [words[1:] for words in step.answers if words[0] == "="] or [["accepted"]]
        assert len(last) == 1, f"{said}: one reply"
        wanted = self._wanted(last[0][1:], account) | {"outcome": int(Outcome[last[0][0].upper()])}
        for name, value in ({"reason": 0, "field": 0, "seq": self.seq} | wanted).items():
            assert reply[name] == value, f"{said}\n  = {' '.join(last[0])}\n  {name} of the reply is {reply[name]}"

    def _report_words(self, report: Any) -> str:
        """A report as a table would write it."""
        return " ".join(
            f"{name} {value!r}" for name, value in zip(report.dtype.names, report.item(), strict=True) if value
        )

    def _wanted(self, words: list[str], account: int) -> dict[str, int]:
        """The fields that the words after a report's or a reply's first ones speak of."""
        wanted: dict[str, int] = {}
        rest = list(words)
        while rest:
            word = rest.pop(0)
            if word in ("quantity", "filled", "leaves") and rest and rest[0].lstrip("-")[:1].isdigit():
                wanted[word] = self._lots(rest.pop(0))
            elif word in OrderStatus.words():
                wanted["order_status"] = OrderStatus.words()[word]
            elif word in ("maker", "taker"):
                wanted["liquidity"] = Liquidity.words()[word]
            elif word == "price":
                wanted["limit_price"] = self._ticks(rest.pop(0))
            elif word == "fee":
                wanted["fee"] = int(Decimal(rest.pop(0)).scaleb(6))
            elif word == "reason":
                wanted["reason"] = Reason.words()[rest.pop(0)]
            elif word == "field":
                wanted["field"] = FIELDS.index(rest.pop(0))
            elif word == "affected":
                wanted["affected"] = int(rest.pop(0))
            elif word == "order":
                named = rest.pop(0)
                wanted["order_id"] = 0 if named == "none" else self._order_id(account, named)
            elif word[0].isdigit() and rest and rest.pop(0) == "@":
                wanted["last_quantity"] = self._lots(word)
                wanted["last_price"] = self._ticks(rest.pop(0))
            else:
                raise ValueError(f"{word!r} is no word of a report or reply")
        return wanted

    # ---------------------------------------------------------------------------------------------- commands

    def _apply(self, words: list[str]) -> tuple[Any, Any]:
        if "with" in words:
            at = words.index("with")
            words, raw = words[:at], _pairs(words[at + 1 :], int)
        else:
            raw = {}
        self.seq += 1
        record = np.zeros(1, COMMAND)
        record["seq"], record["ts_ns"] = self.seq, 1000 * self.seq
        record["account"] = ACCOUNTS[words[0]]
        if words[1:3] == ["cancel", "all"]:
            record["type"] = int(CommandType.CANCEL_ALL)
            for word in words[3:]:
                if word in SYMBOLS:
                    record["instrument"] = SYMBOLS[word]
                else:
                    record["side"] = Side.words()[word]
        elif words[1] == "cancel":
            record["type"] = int(CommandType.CANCEL)
            self._name_order(record, words[2])
        elif words[1] == "replace":
            record["type"] = int(CommandType.REPLACE)
            self._name_order(record, words[2])
            changes = _pairs(words[3:], str)
            record["quantity"] = self._lots(changes.pop("quantity", "0"))
            record["limit_price"] = self._ticks(changes.pop("price", "0"))
            assert not changes, f"a replace changes quantity and price, not {changes}"
        else:
            self._new(record, words[1:])
        for name, value in raw.items():
            record[name] = value
        applied = self.engine.apply(record)
        return applied.reports.copy(), applied.replies[0].copy()

    def _new(self, record: Any, words: list[str]) -> None:
        client_order_id, side, quantity, *rest = words
        record["type"] = int(CommandType.NEW)
        if client_order_id != "-":
            record["client_order_id"] = client_order_id.encode()
            self.order_ids.setdefault((int(record["account"][0]), client_order_id), self.seq)
        record["side"] = Side.words()[side]
        record["quantity"] = self._lots(quantity)
        record["instrument"] = SYMBOLS[rest.pop(0)] if rest[0] in SYMBOLS else SYMBOLS["XYZ"]
        if rest[0] == "market":
            record["order_type"] = int(OrderType.MARKET)
            rest = rest[1:]
        else:
            assert rest[0] == "@", "@ PRICE or market"
            record["order_type"] = int(OrderType.LIMIT)
            record["limit_price"] = self._ticks(rest[1])
            rest = rest[2:]
        record["time_in_force"] = TimeInForce.words()[rest[0] if rest else "day"]

    def _name_order(self, record: Any, name: str) -> None:
        if name.startswith("#"):
            record["order_id"] = self._order_id(int(record["account"][0]), name[1:])
        elif name != "-":
            record["client_order_id"] = name.encode()

    def _order_id(self, account: int, name: str) -> int:
        """The account's order of this client order id, or else whoever's it is, or else the number itself."""
        named = {
            owner: number for (owner, client_order_id), number in self.order_ids.items() if client_order_id == name
        }
        return named.get(account) or next(iter(named.values()), None) or int(name)

    def _ticks(self, price: str) -> int:
        return int(Decimal(price) / self.tick)

    def _lots(self, quantity: str) -> int:
        return int(Decimal(quantity) / self.lot)

    def _administer(self, command: Any) -> None:
        self.seq += 1
        assert self.engine.administer(self.seq, 1000 * self.seq, command).replies["outcome"][0] == Outcome.ACCEPTED

    def _book(self) -> list[str]:
        """The ladder as `book after` writes it."""
        lines = []
        for symbol in ("XYZ", "ABC"):
            bids, asks = self.engine.depth(SYMBOLS[symbol], 1000)
            prefix = "" if symbol == "XYZ" else f"{symbol} "
            for side, levels in (("ask", asks[::-1]), ("bid", bids)):
                for price, quantity, orders in levels.tolist():
                    lines.append(f"{prefix}{side} {price * self.tick} {quantity * self.lot} {orders}")
        return lines
