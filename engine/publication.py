"""What topics get of each command: a pure function of the commands, so that whoever has them has all the rest.

The publisher sends it, a replay compares it with what was sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.core import Core
from engine.layout import COMMAND
from engine.messages import (
    AdministrativeEntry,
    DeadLetter,
    DefineAccount,
    DefineInstrument,
    Deposit,
    Dividend,
    Fees,
    Halt,
    Kill,
    Limits,
    Refused,
    Resume,
    SequencedCommand,
    SetPhase,
    Split,
    Unreadable,
    as_json,
)
from engine.record_bytes import RecordBytes
from engine.records import EPOCH, SHARD, Reporter, account_record, action_record, instrument_record
from engine.registry import AccountEntry, InstrumentEntry
from engine.texts import Names
from engine.topics import (
    ACCOUNTS,
    COMMANDS,
    CORPORATE_ACTIONS,
    DEAD_LETTERS,
    FILLS,
    INSTRUMENTS,
    ORDER_EVENTS,
    TRADES,
    Topic,
)
from engine.traces import Traces, traceparent
from engine.words import ExecType, Liquidity

TRADE: Final = int(ExecType.TRADE)
PRINT: Final = int(ExecType.PRINT)
TAKER: Final = int(Liquidity.TAKER)
COMMANDS_KEY: Final = "0"

encode: Final = msgspec.json.Encoder().encode


class Output(NamedTuple):
    """A record for a topic."""

    topic: Topic
    key: str
    value: bytes
    at: tuple[int, int]
    """(seq, index): rises within each partition."""
    trace: bytes = b""
    """`traceparent` of the order that it is about; what everybody may see has none."""


class Publication:
    """Makes the records of one epoch. The core must have applied the command, and no later batch."""

    def __init__(self, core: Core, *, shard: int = SHARD, epoch: int = EPOCH) -> None:
        self._core = core
        self._reporter = Reporter(core, shard=shard, epoch=epoch)
        self._bytes = RecordBytes(core, shard=shard, epoch=epoch)
        self._names = Names(core)
        self._traces = Traces()
        self._epoch = epoch
        self._changed: set[int] = set()

    def compile(self) -> None:
        """Makes the machine code ready, before somebody waits."""
        self._bytes.commands(np.zeros(1, COMMAND))

    def take_changed(self) -> set[int]:
        """Numbers of the instruments whose book may be another than at the last call."""
        changed, self._changed = self._changed, set()
        return {number for number in changed if 1 <= number <= len(self._core.instruments)}

    def commands(self, records: NDArray[Any]) -> Iterator[Output]:
        """COMMAND rows as records of `commands`."""
        for value, seq in zip(self._bytes.commands(records), records["seq"].tolist(), strict=True):
            yield Output(COMMANDS, COMMANDS_KEY, value, (seq, 0))

    def reports(self, reports: NDArray[Any]) -> Iterator[Output]:
        """What REPORT rows say to `order-events`, `fills` and `trades`."""
        self._changed.update(reports["instrument"].tolist())
        events, fills, trades = map(iter, self._bytes.reports(reports))
        columns = [reports[name].tolist() for name in ("seq", "index", "exec_type", "liquidity")]
        accounts = self._names.accounts(reports["account"])
        traces = self._traces.headers(accounts, reports["client_order_id"].tolist())
        for key, trace, seq, index, kind, liquidity in zip(
            self._keys(reports, accounts), traces, *columns, strict=True
        ):
            at = (seq, index)
            if kind == PRINT:
                yield Output(TRADES, key, next(trades), at)
                continue
            yield Output(ORDER_EVENTS, key, next(events), at, trace)
            if kind == TRADE:
                yield Output(FILLS, key, next(fills), at, trace)
                if liquidity == TAKER:
                    yield Output(TRADES, key, next(trades), at)

    def _keys(self, reports: NDArray[Any], accounts: list[str]) -> list[str]:
        """The symbol, or the account where there is none."""
        symbols = [units.symbol for units in self._names.units(reports["instrument"])]
        if all(symbols):
            return symbols
        return [symbol or account for symbol, account in zip(symbols, accounts, strict=True)]

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
        yield Output(COMMANDS, COMMANDS_KEY, encode(record), (seq, 0))
        match command:
            case DefineInstrument() | SetPhase() | Halt() | Resume():
                listed = self._core.instruments.find(command.symbol)
                if listed is not None and (listed.seq == seq or not isinstance(command, DefineInstrument)):
                    yield self._instrument(listed, seq)
            case Split() | Dividend():
                listed = self._core.instruments.find(command.symbol)
                if listed is not None and listed.action is not None and listed.action.seq == seq:
                    yield self._instrument(listed, seq)
                    done = action_record(self._core, listed, listed.action)
                    yield Output(CORPORATE_ACTIONS, done.symbol, encode(done), (seq, 0))
            case Kill():
                yield from (self._account(entry, seq) for entry in self._core.accounts if entry.seq == seq)
            case DefineAccount() | Deposit() | Limits() | Fees():
                found = self._core.accounts.find(command.account)
                if found is not None and found.seq == seq:
                    yield self._account(found, seq)
            case Refused():
                event = self._reporter.refused_event(seq, entry.ts_ns, entry.source, command)
                trace = traceparent(command.account, command.client_order_id).encode()
                yield Output(ORDER_EVENTS, event.symbol or event.account, encode(event), (seq, 0), trace)
            case Unreadable():
                yield Output(DEAD_LETTERS, command.topic, encode(dead_letter(entry.ts_ns, command)), (seq, 0))

    def _instrument(self, listed: InstrumentEntry, seq: int) -> Output:
        """The book follows, whose record carries the phase."""
        self._changed.add(listed.number)
        record = instrument_record(self._core, listed)
        return Output(INSTRUMENTS, record.symbol, encode(record), (seq, 0))

    def _account(self, account: AccountEntry, seq: int) -> Output:
        """`Kill` may change all accounts, so that each has an index of its own."""
        return Output(ACCOUNTS, account.account, encode(account_record(account)), (seq, account.number))


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
