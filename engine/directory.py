"""What a client knows of the engine: names and their numbers, with which it turns its commands into records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine import replies
from engine.decode import decode, random_id, with_ids
from engine.layout import COMMAND
from engine.messages import DefineInstrument, OrderCommand, OrderList, Reply, Session
from engine.refusal import Refusal
from engine.registry import AccountEntry, Accounts, InstrumentEntry, Instruments, max_quantity
from engine.rows import joined
from engine.units import Scale
from engine.words import CostMethod, Reason, SelfTrade, SelfTradeScope, Source

NOT_KNOWN: Final = frozenset({Reason.UNKNOWN_ACCOUNT.wire, Reason.UNKNOWN_SYMBOL.wire})


class Directory:
    """The names and numbers that a session was given."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.instruments = Instruments()
        self.accounts = Accounts()
        for listed in sorted(session.instruments, key=lambda item: item.instrument_id):
            definition = msgspec.convert(
                {"type": "instrument", **{f: getattr(listed, f) for f in DefineInstrument.__struct_fields__}},
                DefineInstrument,
            )
            scale = Scale(definition.tick_size, definition.lot_size)
            low, high = scale.ticks(definition.price_min), scale.ticks(definition.price_max)
            most = max_quantity(high, scale.money_per_tick_lot)
            self.instruments.put(
                InstrumentEntry(listed.instrument_id, definition, scale, low, high, most, listed.seq, listed.ts_ns)
            )
        for account, number in sorted(session.account_ids.items(), key=lambda item: item[1]):
            self.accounts.put(account_entry(number, account))


def account_entry(number: int, account: str) -> AccountEntry:
    """A client knows no more of an account than its name and its number."""
    return AccountEntry(
        number=number,
        account=account,
        currency="",
        deposits=0,
        firm=None,
        margin=0,
        self_trade_prevention=SelfTrade.NONE.wire,
        self_trade_scope=SelfTradeScope.ACCOUNT.wire,
        messages_per_second=None,
        message_burst=None,
        maker_fee_ppm=None,
        taker_fee_ppm=None,
        killed=False,
        limits=(),
        seq=0,
        ts_ns=0,
        cost_method=CostMethod.AVERAGE.wire,
    )


class Prepared(NamedTuple):
    """Commands on their way: the records that go to the engine, and what those that stay behind are answered."""

    records: NDArray[Any]
    spans: list[tuple[int, int]]
    """Of each command that goes: its place among the commands, and how many records it is."""
    answers: list[Reply | None]
    commands: list[OrderCommand]

    def merge(self, received: NDArray[Any], instruments: Instruments) -> list[Reply]:
        """All answers, in the order of the commands."""
        answers = list(self.answers)
        start = 0
        for place, size in self.spans:
            part = received[start : start + size]
            start += size
            command = self.commands[place]
            if isinstance(command, OrderList):
                answers[place] = replies.list_in_words(part, instruments, [o.client_order_id for o in command.orders])
            else:
                answers[place] = replies.in_words(part[0], instruments, named(command))
        return [answer for answer in answers if answer is not None]

    @property
    def needs_refresh(self) -> bool:
        """Whether a name was not known here, that the engine may have learnt since the login."""
        if len(self.spans) == len(self.answers):
            return False
        return any(answer is not None and answer.reason in NOT_KNOWN for answer in self.answers)


def named(command: OrderCommand) -> str | None:
    """The client_order_id of a command that has one."""
    found: str | None = getattr(command, "client_order_id", None)
    return found


def prepare(
    commands: Sequence[OrderCommand], directory: Directory, actor: str | None, source: Source | None
) -> Prepared:
    """Encodes commands. A new order without a client_order_id is given one, so that a repeat is safe."""
    records: list[NDArray[Any]] = []
    spans: list[tuple[int, int]] = []
    answers: list[Reply | None] = []
    completed = [with_ids(command, random_id) for command in commands]
    for place, command in enumerate(completed):
        try:
            record = decode(command, directory.instruments, directory.accounts)
        except Refusal as refusal:
            answers.append(replies.refused(refusal, named(command)))
            continue
        record["actor"] = (actor or "").encode()[:20]
        record["source"] = int(source) if source is not None else 0
        records.append(record)
        spans.append((place, len(record)))
        answers.append(None)
    together = joined(records) if records else np.zeros(0, COMMAND)
    return Prepared(together, spans, answers, completed)
