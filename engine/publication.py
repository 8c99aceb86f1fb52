"""What topics get of each command: a pure function of the commands, so that whoever has them has all the rest.

The publisher sends it, a replay compares it with what was sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import msgspec
from numpy.typing import NDArray

from engine.command_records import CommandReporter
from engine.core import Core
from engine.messages import (
    AdministrativeEntry,
    DeadLetter,
    DefineAccount,
    DefineInstrument,
    Deposit,
    Fees,
    Halt,
    Kill,
    Limits,
    Refused,
    Resume,
    SequencedCommand,
    SetPhase,
    Unreadable,
    as_json,
)
from engine.records import EPOCH, SHARD, Reporter, account_record, instrument_record
from engine.registry import AccountEntry, InstrumentEntry
from engine.topics import ACCOUNTS, COMMANDS, DEAD_LETTERS, FILLS, INSTRUMENTS, ORDER_EVENTS, TRADES, Topic
from engine.words import ExecType, Liquidity

TRADE: Final = int(ExecType.TRADE)
PRINT: Final = int(ExecType.PRINT)
TAKER: Final = int(Liquidity.TAKER)
COMMANDS_KEY: Final = "0"


class Output(NamedTuple):
    """A record for a topic."""

    topic: Topic
    key: str
    record: Any
    at: tuple[int, int]
    """(seq, index): rises within each partition."""


class Publication:
    """Makes the records of one epoch. The core must have applied the command, and no later batch."""

    def __init__(self, core: Core, *, shard: int = SHARD, epoch: int = EPOCH) -> None:
        self._core = core
        self._reporter = Reporter(core, shard=shard, epoch=epoch)
        self._commands = CommandReporter(core, epoch=epoch)
        self._epoch = epoch
        self._changed: set[int] = set()

    def take_changed(self) -> set[int]:
        """Numbers of the instruments whose book may be another than at the last call."""
        changed, self._changed = self._changed, set()
        return {number for number in changed if 1 <= number <= len(self._core.instruments)}

    def commands(self, records: NDArray[Any]) -> Iterator[Output]:
        """COMMAND rows as records of `commands`."""
        for record in self._commands.records(records):
            yield Output(COMMANDS, COMMANDS_KEY, record, (record.seq, 0))

    def reports(self, reports: NDArray[Any]) -> Iterator[Output]:
        """What REPORT rows say to `order-events`, `fills` and `trades`."""
        self._changed.update(reports["instrument"].tolist())
        events = self._reporter.order_events(reports)
        rows = zip(events, reports["match"].tolist(), reports["exec_type"].tolist(), strict=True)
        for (event, match, kind), liquidity in zip(rows, reports["liquidity"].tolist(), strict=True):
            at, key = (event.seq, event.index), event.symbol or event.account
            if kind == PRINT:
                yield Output(TRADES, key, self._reporter.trade(event, match), at)
                continue
            yield Output(ORDER_EVENTS, key, event, at)
            if kind == TRADE:
                yield Output(FILLS, key, self._reporter.fill(event, match), at)
                if liquidity == TAKER:
                    yield Output(TRADES, key, self._reporter.trade(event, match), at)

    def administrative(self, seq: int, entry: AdministrativeEntry) -> Iterator[Output]:
        """An administrative command, and what it changed of the reference data."""
        command = entry.command
        fields = msgspec.json.decode(as_json(command))
        kind = fields.pop("type")
        from_kafka = entry.source_partition >= 0
        record = SequencedCommand(
            seq=seq,
            ts_ns=entry.ts_ns,
            source=entry.source,
            actor=entry.actor,
            type=kind,
            command=fields,
            source_partition=entry.source_partition if from_kafka else None,
            source_offset=entry.source_offset if from_kafka else None,
            epoch=self._epoch,
        )
        yield Output(COMMANDS, COMMANDS_KEY, record, (seq, 0))
        match command:
            case DefineInstrument() | SetPhase() | Halt() | Resume():
                listed = self._core.instruments.find(command.symbol)
                if listed is not None and (listed.seq == seq or not isinstance(command, DefineInstrument)):
                    yield self._instrument(listed, seq)
            case Kill():
                yield from (self._account(entry, seq) for entry in self._core.accounts if entry.seq == seq)
            case DefineAccount() | Deposit() | Limits() | Fees():
                found = self._core.accounts.find(command.account)
                if found is not None and found.seq == seq:
                    yield self._account(found, seq)
            case Refused():
                event = self._reporter.refused_event(seq, entry.ts_ns, entry.source, command)
                yield Output(ORDER_EVENTS, event.symbol or event.account, event, (seq, 0))
            case Unreadable():
                yield Output(DEAD_LETTERS, command.topic, dead_letter(entry.ts_ns, command), (seq, 0))

    def _instrument(self, listed: InstrumentEntry, seq: int) -> Output:
        """The book follows, whose record carries the phase."""
        self._changed.add(listed.number)
        record = instrument_record(self._core, listed)
        return Output(INSTRUMENTS, record.symbol, record, (seq, 0))

    def _account(self, account: AccountEntry, seq: int) -> Output:
        """`Kill` may change all accounts, so that each has an index of its own."""
        return Output(ACCOUNTS, account.account, account_record(account), (seq, account.number))


def dead_letter(ts_ns: int, command: Unreadable) -> DeadLetter:
    """The record of `dead-letters` for bytes that were no command."""
    return DeadLetter(
        topic=command.topic,
        partition=command.partition,
        offset=command.offset,
        ts_ns=ts_ns,
        reason=command.reason,
        field=command.field or None,
        text=command.text,
        key=command.key,
        value=command.value,
    )
