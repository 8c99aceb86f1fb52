"""Plays the cases of `trader_tables` on an engine, and compares what it answers with what the table says."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

import table_commands
from table_commands import ACCOUNTS, SYMBOLS, Units, nanoseconds
from trader_tables import Case, Step, pairs

from engine.layout import FIELDS
from engine.messages import DefineAccount, DefineInstrument
from engine.words import CommandType, ExecType, Liquidity, OrderStatus, Outcome, Phase, Reason

MONEY: Final = ("cost", "cash", "realized", "fees")
NEVER: Final = 2**63 - 1


class Player:
    """Plays one case on one engine."""

    def __init__(self, make_engine: Callable[..., Any], case: Case) -> None:
        self.case = case
        self.engine = make_engine(**{"max_orders": 100, **case.engine})
        set_up = {"tick": Decimal("0.01"), "lot": Decimal(1), "from": Decimal(1), "to": Decimal(100)} | case.instrument
        self.units = Units(set_up["tick"], set_up["lot"])
        self.seq = 0
        self.ts_ns = nanoseconds("1")
        self.order_ids: dict[tuple[int, str], int] = {}
        """(account, client order id) → the engine's number."""
        for symbol in ("XYZ", "ABC"):
            self._set_up(
                DefineInstrument(
                    symbol=symbol,
                    tick_size=set_up["tick"],
                    lot_size=set_up["lot"],
                    price_min=set_up["from"],
                    price_max=set_up["to"],
                    maker_fee_ppm=int(set_up.get("maker", 0)),
                    taker_fee_ppm=int(set_up.get("taker", 0)),
                )
            )
        for account in ("ann", "bob", "cat", "dan"):
            given = case.accounts.get(account, {})
            self._set_up(
                DefineAccount(
                    account=account,
                    deposit=Decimal(given.get("deposit", 0)),
                    margin_multiple=Decimal(given.get("margin", 0)),
                    firm=given.get("firm"),
                    self_trade_prevention=given.get("self_trade", "none"),
                    self_trade_scope=given.get("scope", "account"),
                )
            )

    def play(self) -> None:
        for words in self.case.before:
            reports, replies = self._apply(words)
            assert len(reports) == 1, f"{' '.join(words)}: an order of `book before` must rest and trade with nothing"
            assert replies[0]["leaves"] > 0, f"{' '.join(words)}: does not rest"
        for step in self.case.steps:
            if step.command[0] == "?":
                self._look(step.command[1:])
            else:
                self._check_step(step)
        if self.case.after is not None:
            assert self._book() == [" ".join(words) for words in self.case.after], "the book after"

    # ------------------------------------------------------------------------------------------------ answers

    def _check_step(self, step: Step) -> None:
        said, account = " ".join(step.command), ACCOUNTS.get(step.command[0], 0)
        first_seq = self.seq + 1
        reports, replies = self._apply(step.command)
        expected = [words for words in step.answers if words[0] != "="]
        shown = [self._report_words(report) for report in reports]
        assert len(reports) == len(expected), f"{said}\n  reports: " + "\n  ".join(map(str, shown))
        for words, report, words_shown in zip(expected, reports, shown, strict=True):
            client_order_id, exec_type, *rest = words
            owner = int(report["account"])
            wanted = self._wanted(rest, owner) | {
                "exec_type": int(ExecType[exec_type.upper()]),
                "client_order_id": b"" if client_order_id == "-" else client_order_id.encode(),
            }
            wanted.setdefault("order_id", self.order_ids.get((owner, client_order_id), 0))
            for name, value in ({"reason": 0, "field": 0, "fee": 0} | wanted).items():
                assert report[name] == value, f"{said}\n  {' '.join(words)}\n  {name} of {words_shown}"
        last = [words[1:] for words in step.answers if words[0] == "="] or [["accepted"]] * len(replies)
        assert len(last) == len(replies), f"{said}: {len(replies)} replies"
        for place, (words, reply) in enumerate(zip(last, replies, strict=True)):
            wanted = self._wanted(words[1:], account) | {"outcome": int(Outcome[words[0].upper()])}
            for name, value in ({"reason": 0, "field": 0, "seq": first_seq + place} | wanted).items():
                assert reply[name] == value, f"{said}\n  = {' '.join(words)}\n  {name} of the reply is {reply[name]}"

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
                wanted[word] = self.units.lots(rest.pop(0))
            elif word in OrderStatus.words():
                wanted["order_status"] = OrderStatus.words()[word]
            elif word in ("maker", "taker"):
                wanted["liquidity"] = Liquidity.words()[word]
            elif word in ("price", "stop"):
                wanted["limit_price" if word == "price" else "stop_price"] = self.units.ticks(rest.pop(0))
            elif word == "fee":
                wanted["fee"] = int(Decimal(rest.pop(0)).scaleb(6))
            elif word == "reason":
                wanted["reason"] = Reason.words()[rest.pop(0)]
            elif word == "field":
                wanted["field"] = FIELDS.index(rest.pop(0))
            elif word in ("affected", "match"):
                wanted[word] = int(rest.pop(0))
            elif word in ("order", "list"):
                named = rest.pop(0)
                number = 0 if named == "none" else self._order_id(account, named)
                wanted["order_id" if word == "order" else "list_id"] = number
            elif word[0].isdigit() and rest and rest.pop(0) == "@":
                wanted["last_quantity"] = self.units.lots(word)
                wanted["last_price"] = self.units.ticks(rest.pop(0))
            else:
                raise ValueError(f"{word!r} is no word of a report or reply")
        return wanted

    # ------------------------------------------------------------------------------------------------- looks

    def _look(self, words: list[str]) -> None:
        what, *rest = words
        symbol = next((word for word in rest if word in SYMBOLS), "XYZ")
        number = SYMBOLS[symbol]
        rest = [word for word in rest if word not in SYMBOLS]
        if what == "phase":
            assert self.engine.phase(number) == Phase[rest[0].upper()], f"phase {self.engine.phase(number)!r}"
        elif what == "indicative":
            price_and_lots = self.units.ticks(rest[0]), self.units.lots(rest[1])
            assert tuple(self.engine.indicative(number)) == price_and_lots, " ".join(words)
        elif what == "position":
            position = self.engine.position(ACCOUNTS[rest[0]], number)
            assert position.quantity == self.units.lots(rest[1]), f"{' '.join(words)}: {position}"
            for name, money in pairs(rest[2:], Decimal).items():
                assert name in MONEY
                assert getattr(position, name) == int(money.scaleb(6)), f"{' '.join(words)}: {position}"
        elif what == "expiry":
            wanted = NEVER if rest[0] == "never" else nanoseconds(rest[0])
            assert self.engine.next_expiry == wanted, f"{' '.join(words)}: {self.engine.next_expiry}"
        elif what == "no":
            assert rest[1] == "at"
            assert f"{rest[0]} {rest[2]}" not in [" ".join(line.split()[:2]) for line in self._book()]
        else:
            assert " ".join(words) in self._book(), f"{' '.join(words)} is not in {self._book()}"

    def _book(self) -> list[str]:
        """The ladder as `book after` writes it."""
        lines = []
        for symbol in ("XYZ", "ABC"):
            bids, asks = self.engine.depth(SYMBOLS[symbol], 1000)
            prefix = "" if symbol == "XYZ" else f"{symbol} "
            for side, levels in (("ask", asks[::-1]), ("bid", bids)):
                for price, quantity, orders in levels.tolist():
                    lines.append(f"{prefix}{side} {price * self.units.tick} {quantity * self.units.lot} {orders}")
        return lines

    # ---------------------------------------------------------------------------------------------- commands

    def _apply(self, words: list[str]) -> tuple[Any, Any]:
        """Reports and replies."""
        if len(words) > 1 and words[-2] == "at":
            self.ts_ns = nanoseconds(words[-1])
            words = words[:-2]
        command = table_commands.administrative(words)
        if command is not None:
            self.seq += 1
            applied = self.engine.administer(self.seq, self.ts_ns, command)
        else:
            batch = table_commands.records(words, self.units, self._order_id)
            for record in batch:
                self.seq += 1
                record["seq"], record["ts_ns"] = self.seq, self.ts_ns
                if record["type"] == CommandType.NEW:
                    name = record["client_order_id"].decode(errors="replace")
                    self.order_ids.setdefault((int(record["account"]), name), self.seq)
            applied = self.engine.apply(batch)
            for record, reply in zip(batch, applied.replies, strict=True):
                if reply["order_id"] == record["seq"]:  # an id that was refused before may be taken now
                    self.order_ids[int(record["account"]), record["client_order_id"].decode(errors="replace")] = int(
                        record["seq"]
                    )
        return applied.reports.copy(), applied.replies.copy()

    def _order_id(self, account: int, name: str) -> int:
        """The account's order of this client order id, or else whoever's it is, or else the number itself."""
        named = {
            owner: number for (owner, client_order_id), number in self.order_ids.items() if client_order_id == name
        }
        return named.get(account) or next(iter(named.values()), None) or int(name)

    def _set_up(self, command: Any) -> None:
        self.seq += 1
        assert self.engine.administer(self.seq, self.ts_ns, command).replies["outcome"][0] == Outcome.ACCEPTED
