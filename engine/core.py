"""The pure state machine: sequenced commands in, reports and replies out.

No clock, no randomness, no float, no I/O: the same commands give the same bits, rejections included. The engine, the
publisher and every replay run this one class.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from engine import auction, book, clients, corporate_actions, definitions, immediate, running, venues
from engine.codes import REPORT_WORDS
from engine.direct import direct
from engine.drift import drift
from engine.jit import COMPILED, addresses, as_words
from engine.layout import CLIENT_ORDER_ID, COMMAND, REPLY, REPORT, field_number
from engine.messages import (
    AdministrativeCommand,
    DefineAccount,
    DefineInstrument,
    Deposit,
    Dividend,
    Fees,
    Halt,
    Kill,
    Limits,
    OrderState,
    Print,
    Refused,
    Resume,
    SetPhase,
    Split,
    Timer,
    Unreadable,
    VenueEnd,
    VenueFill,
)
from engine.orders import EXTENDED, HELD, RELEASED
from engine.reference_data import ReferenceData, allocate
from engine.refusal import Refusal
from engine.registry import ActionEntry, InstrumentEntry
from engine.state import KEYS, NEXT_EXPIRY, Batch, Handed, Output
from engine.words import (
    CommandType,
    ExecType,
    OrderStatus,
    OrderType,
    Outcome,
    Phase,
    Reason,
    Side,
    TimeInForce,
)

FIRST_REPORTS: Final = 1 << 14
REPLY_BYTES: Final = REPLY.itemsize


class Applied(Struct, frozen=True, gc=False):
    """What a batch did. The arrays are the core's own: read them before the next call."""

    reports: NDArray[Any]
    """REPORT, in order."""
    replies: NDArray[Any]
    """REPLY, one a command."""


def hash_of(parts: Iterable[bytes]) -> str:
    """Of a core's `state_parts`."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


class PositionNumbers(NamedTuple):
    """What one account owns of one instrument: lots, and money units."""

    quantity: int
    """Signed."""
    bought: int
    sold: int
    cash: int
    """Money of sales less that of purchases."""
    fees: int
    cost: int
    """What the position was opened for; negative for a short one."""
    realized: int


class Core(ReferenceData):
    """The exchange's state and what changes it."""

    def __init__(self, *, max_orders: int, max_client_ids: int = 0) -> None:
        """`max_orders`: room for working orders; `max_client_ids`: how many client order ids are remembered, at least
        one more than `max_orders` (0: twice as many)."""
        ids = max_client_ids or 2 * max_orders
        if ids <= max_orders:
            raise ValueError("max_client_ids must be larger than max_orders")
        super().__init__(allocate(max_orders, ids))
        self.max_orders = max_orders
        self.last_seq = 0
        self._written = np.zeros(1, np.int64)
        self._set_replies(1)
        self._keys = np.zeros(KEYS, np.uint64)
        self._handed: Handed | None = None
        self._addresses = np.zeros(0, np.int64)
        self._run_at: Any = None
        self._set_reports(FIRST_REPORTS)

    def _set_reports(self, size: int) -> None:
        fresh = np.zeros(size, REPORT)
        if self._written[0]:
            fresh[: self._written[0]] = self._reports[: self._written[0]]
        self._reports: NDArray[Any] = fresh
        self._words = fresh.view("<u8").reshape(size, REPORT_WORDS)

    def _set_replies(self, size: int) -> None:
        """Memory that is used again: a new array of records takes most of a microsecond."""
        self._replies = np.zeros(size, REPLY)
        self._reply_bytes = self._replies.view("u1")

    # ------------------------------------------------------------------------------------------------- orders

    def apply(self, commands: NDArray[Any]) -> Applied:
        """Applies a batch of COMMAND records, sequenced and stamped, in order."""
        commands = np.ascontiguousarray(commands)
        count = len(commands)
        if count > len(self._replies):
            self._set_replies(count)
        self._reply_bytes[: count * REPLY_BYTES] = 0
        replies = self._replies[:count]
        self._written[0] = 0
        if count == 0:
            return Applied(self._reports[:0], replies)
        if self.instruments.at_venues:
            self._apply_beside_venues(commands, replies)
        else:
            self._apply(commands, replies, administrative=False)
        self.last_seq = int(commands["seq"][-1])
        return self._applied(replies)

    def _apply_beside_venues(self, commands: NDArray[Any], replies: NDArray[Any]) -> None:
        start = 0
        for row in self.waiting(commands):
            self._apply(commands[start:row], replies[start:row], administrative=False)
            self._wait(commands[row : row + 1], replies[row : row + 1])
            start = row + 1
        self._apply(commands[start:], replies[start:], administrative=False)

    def waiting(self, commands: NDArray[Any]) -> list[int]:
        """Which orders wait here for what a venue says of them (`engine.immediate`)."""
        held = [number for number in self.instruments.at_venues if self.phase(number) is Phase.OPENING_AUCTION]
        elsewhere = np.zeros(len(self.instruments) + 2, np.bool_)
        elsewhere[held] = True
        return immediate.rows(commands, elsewhere)

    def _wait(self, command: NDArray[Any], reply: NDArray[Any]) -> None:
        """One of `waiting` comes in. What is remembered of it is what was asked for, so that a repeat is known."""
        number = int(command["account"][0])
        if self._find_client(number, command["client_order_id"]):
            self._apply(command, reply, administrative=False)  # its first outcome, or a refusal
            return
        first = int(self._written[0])
        self._apply(immediate.waiting(command), reply, administrative=False)
        time_in_force = int(command["time_in_force"][0])
        immediate.show(self._reports[first : self._written[0]], time_in_force)
        client = self._find_client(number, command["client_order_id"])
        if client:
            self.engine.clients.records["time_in_force"][client] = time_in_force
            self.engine.clients.records["content"][client] = immediate.content(command)

    def _applied(self, replies: NDArray[Any]) -> Applied:
        """What was said of orders that wait for a venue says what they are."""
        reports = self._reports[: self._written[0]]
        if self.instruments.knows_venues:
            for row in np.flatnonzero(reports["time_in_force"] == TimeInForce.GTD):
                client = self.find_order(int(reports["order_id"][row]))
                time_in_force = int(self.engine.clients.records["time_in_force"][client])
                if time_in_force in immediate.AT_ONCE:
                    immediate.show(reports[row : row + 1], time_in_force)
        return Applied(reports, replies)

    def _apply(self, commands: NDArray[Any], replies: NDArray[Any], *, administrative: bool) -> None:
        """Runs commands to their end, with their reports after those that are written; where they do not fit, in room
        twice as large from where it stopped."""
        done = 0
        while True:
            done = self._run(commands, done, replies, administrative)
            if done == len(commands):
                break
            self._set_reports(2 * len(self._reports))

    def _run(self, commands: NDArray[Any], done: int, replies: NDArray[Any], administrative: bool = False) -> int:
        if COMPILED:
            places = self._places()
            return int(self._run_at(places, commands, done, replies, administrative))
        batch = Batch(commands, as_words(commands))
        out = Output(self._reports, self._words, replies, self._written, self._keys)
        with np.errstate(over="ignore"):  # 64-bit hashes wrap around, which compiled code does without a word
            return int(running.run(self.engine, batch, done, out, administrative))

    def _places(self) -> NDArray[np.int64]:
        """Where the arrays lie now, for `_run_at`."""
        handed = self._handed
        if handed is None or handed.engine is not self.engine or handed.reports is not self._reports:
            self._handed = Handed(self.engine, self._reports, self._words, self._written, self._keys)
            self._addresses = addresses(self._handed)
            self._run_at = direct(running.run_at, self._addresses, np.zeros(0, COMMAND), 0, np.zeros(0, REPLY), False)
        return self._addresses

    # ---------------------------------------------------------------------------------------- administrative

    def check(self, command: AdministrativeCommand) -> None:
        """Raises `Refusal` where `administer` could not carry the command out."""
        match command:
            case DefineInstrument():
                definitions.instrument_entry(self.instruments, command, 0, 0)
            case DefineAccount():
                definitions.account_entry(command, 0, 0, 0)
            case Deposit():
                self._deposited(command)
            case Limits():
                self._limited(command)
            case Fees():
                definitions.with_fees(self._account(command.account), command)
            case Print():
                definitions.print_numbers(self.instruments, command)
            case Halt() | Resume():
                self._instrument(command.symbol)
            case SetPhase():
                definitions.phase_number(command, self.phase(self._instrument(command.symbol).number))
            case Kill(account=str(account)):
                self._account(account)
            case Split() | Dividend():
                self._action(command, 0, 0)
            case VenueFill():
                self._fill_numbers(command)
            case VenueEnd():
                venues.end_numbers(self.engine, self.instruments, self._ordered(command), command)

    def administer(self, seq: int, ts_ns: int, command: AdministrativeCommand) -> Applied:
        """Carries out one administrative command. One that `check` refuses changes nothing and is answered so."""
        reply = np.zeros(1, REPLY)
        self._written[0] = 0
        self.last_seq = seq
        try:
            self._carry_out(seq, ts_ns, command, reply)
            reply["outcome"] = int(Outcome.ACCEPTED)
        except Refusal as refusal:
            reply["outcome"] = int(Outcome.REJECTED)
            reply["reason"] = int(refusal.reason)
            reply["field"] = field_number(refusal.field)
        reply["seq"] = seq
        return self._applied(reply)

    def _carry_out(self, seq: int, ts_ns: int, command: AdministrativeCommand, reply: NDArray[Any]) -> None:
        match command:
            case DefineInstrument():
                self._define_instrument(definitions.instrument_entry(self.instruments, command, seq, ts_ns))
            case DefineAccount():
                entry = definitions.account_entry(command, len(self.accounts) + 1, seq, ts_ns)
                if self.accounts.find(command.account) is None:
                    self._define_account(entry)
            case Deposit():
                self._set_account(self._deposited(command), seq, ts_ns)
            case Limits():
                self._set_account(self._limited(command), seq, ts_ns)
                if command.messages_per_second is not None or command.message_burst is not None:
                    self._fill_bucket(self._account(command.account).number, ts_ns)
            case Fees():
                self._set_account(definitions.with_fees(self._account(command.account), command), seq, ts_ns)
            case Print():
                self._print(definitions.print_numbers(self.instruments, command), command.transact_ns, seq, ts_ns)
            case Halt():
                self._operate(CommandType.HALT, seq, ts_ns, reply, instrument=self._instrument(command.symbol).number)
            case Resume():
                self._operate(CommandType.RESUME, seq, ts_ns, reply, instrument=self._instrument(command.symbol).number)
            case SetPhase():
                number = self._instrument(command.symbol).number
                before = self.phase(number)
                phase = definitions.phase_number(command, before)
                fields = {"instrument": number, "quantity": phase, "expires_ns": command.day_ends_ns}
                self._operate(CommandType.SESSION, seq, ts_ns, reply, **fields)
                self._note_venue(number, command.venue)
                if command.venue is not None:
                    self._enter_released(number, seq, ts_ns, 0)
                if phase == Phase.CLOSED != before:
                    self._note_closing_price(number, seq)
            case Timer():
                self._operate(CommandType.TIMER, seq, ts_ns, reply)
            case Kill():
                self._kill(command, seq, ts_ns, reply)
            case Split() | Dividend():
                self._act(command, seq, ts_ns, reply)
            case VenueFill():
                self._fill_elsewhere(command, seq, ts_ns, reply)
            case VenueEnd():
                self._end_elsewhere(command, seq, ts_ns, reply)
            case Unreadable() | Refused():
                raise Refusal(Reason[command.reason.upper()], command.field, command.text)

    def _operate(self, kind: CommandType, seq: int, ts_ns: int, reply: NDArray[Any], **fields: int) -> None:
        """An administrative command that orders feel goes the way of theirs, as a record that no door lets in."""
        record = np.zeros(1, COMMAND)
        record["seq"] = seq
        record["ts_ns"] = ts_ns
        record["type"] = int(kind)
        for name, value in fields.items():
            record[name] = value
        self._apply(record, reply, administrative=True)

    def _kill(self, command: Kill, seq: int, ts_ns: int, reply: NDArray[Any]) -> None:
        entries = list(self.accounts) if command.account is None else [self._account(command.account)]
        for entry in entries:
            self._set_account(entry._replace(killed=command.active), seq, ts_ns)
        if command.active:
            account = 0 if command.account is None else entries[0].number
            self._operate(CommandType.KILL, seq, ts_ns, reply, account=account)

    def _action(self, command: Split | Dividend, seq: int, ts_ns: int) -> ActionEntry:
        """The corporate action as it would be carried out now. Raises `Refusal`."""
        entry = self._instrument(command.symbol)
        last = self.last_price(entry.number)
        if isinstance(command, Split):
            return corporate_actions.split_entry(command, entry, self.engine.ledger, last, seq, ts_ns)
        return corporate_actions.dividend_entry(command, entry, self.engine.ledger, last, seq, ts_ns)

    def _act(self, command: Split | Dividend, seq: int, ts_ns: int, reply: NDArray[Any]) -> None:
        action = self._action(command, seq, ts_ns)
        entry = self._instrument(command.symbol)
        if isinstance(command, Split):
            self._operate(CommandType.SPLIT, seq, ts_ns, reply, instrument=entry.number)
        corporate_actions.carry_out(self.engine.ledger, entry, action)
        self.engine.books.instruments["last_price"][entry.number] = action.price_after
        self.instruments.put(entry._replace(action=action))

    def _ordered(self, command: VenueFill | VenueEnd) -> int:
        """The record of the order, 0 where there is none."""
        number = int(command.order_id)
        return self.find_order(number) if number < 1 << 63 else 0

    def _fill_numbers(self, command: VenueFill) -> venues.FillNumbers:
        return venues.fill_numbers(self.engine, self.instruments, self.accounts, self._ordered(command), command)

    def _fill_elsewhere(self, command: VenueFill, seq: int, ts_ns: int, reply: NDArray[Any]) -> None:
        """`affected` of the reply: 1, or 0 where the fill was counted before."""
        fill = self._fill_numbers(command)
        if fill.lots:
            self._written[0] = venues.execute(self.engine, self._reports, self._words, seq, ts_ns, fill, command)
            number = int(self.engine.clients.records["instrument"][fill.client])
            self._enter_released(number, seq, ts_ns, command.transact_ns)
            reply["affected"] = 1

    def _enter_released(self, number: int, seq: int, ts_ns: int, transact_ns: int) -> None:
        """What waits for the end of an auction does not, where that is held for a venue."""
        while True:
            written = int(self._written[0])
            self._written[0], done = venues.enter_released(
                self.engine, self._reports, self._words, written, seq, ts_ns, transact_ns, number
            )
            if done:
                return
            self._set_reports(2 * len(self._reports))

    def _end_elsewhere(self, command: VenueEnd, seq: int, ts_ns: int, reply: NDArray[Any]) -> None:
        client = self._ordered(command)
        exec_type, reason = venues.end_numbers(self.engine, self.instruments, client, command)
        count = venues.end(self.engine, self._reports, self._words, seq, ts_ns, client, exec_type, reason, command)
        self._written[0] = count
        reply["affected"] = count

    def _note_venue(self, number: int, venue: str | None) -> None:
        entry = self.instruments.by_number(number)
        if venue is not None or entry.venue is not None:
            self.instruments.put(entry._replace(venue=venue or ""))

    def _note_closing_price(self, number: int, seq: int) -> None:
        entry = self.instruments.by_number(number)
        self.instruments.put(entry._replace(closing_price=self.last_price(number), closing_seq=seq))

    def _print(self, numbers: definitions.PrintNumbers, transact_ns: int, seq: int, ts_ns: int) -> None:
        report = self._reports[:1]
        report[:] = np.zeros(1, REPORT)
        report["seq"] = seq
        report["ts_ns"] = ts_ns
        report["transact_ns"] = transact_ns
        report["instrument"] = numbers.instrument
        report["exec_type"] = int(ExecType.PRINT)
        report["side"] = numbers.side
        report["last_price"] = numbers.price
        report["last_quantity"] = numbers.quantity
        report["match"] = 1
        self._written[0] = 1

    def compile(self) -> None:
        """Makes the machine code ready (seconds the first time, then from the cache), changing nothing."""
        self._run(np.zeros(0, COMMAND), 0, np.zeros(0, REPLY))
        self.depth(0, 1)
        self.find_client(0, "")
        self.find_order(0)
        self.indicative(0)
        venues.compile_venues(self.engine, self._reports, self._words)
        immediate.content(np.zeros(1, COMMAND))

    # ------------------------------------------------------------------------------------------------ queries

    def depth(self, instrument: int, levels: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Bids and asks of an instrument by number, best first: (n, 3) of price ticks, lots, orders."""
        sides = []
        for side in (Side.BUY, Side.SELL):
            out = np.zeros((levels, 3), np.int64)
            sides.append(out[: book.depth(self.engine.books, instrument, int(side), out)])
        return sides[0], sides[1]

    def last_price(self, instrument: int) -> int:
        """Ticks of the last match, 0 before the first."""
        return int(self.engine.books.instruments["last_price"][instrument])

    def phase(self, instrument: int) -> Phase:
        return Phase(int(self.engine.books.instruments["phase"][instrument]))

    def indicative(self, instrument: int) -> tuple[int, int]:
        """Price ticks and lots of what an uncross would trade now, (0, 0) where nothing."""
        found = np.zeros(2, np.int64)
        auction.uncross_price(self.engine, instrument, found)
        if found[1] == 0:
            return 0, 0
        return int(self.engine.books.instruments["base"][instrument] + found[0]), int(found[1])

    def position(self, account: int, instrument: int) -> PositionNumbers:
        row = self.engine.ledger.pairs[instrument, account]
        return PositionNumbers(*(int(row[name]) for name in PositionNumbers._fields))

    def rest(self, instrument: int) -> tuple[int, int]:
        """Lots and money units that splits have left with no account (`corporate_actions.rest_of`)."""
        return corporate_actions.rest_of(self.engine.ledger, instrument)

    @property
    def next_expiry(self) -> int:
        """Nanoseconds before which no order's time is over; 2^63 − 1: never."""
        return int(self.engine.work[NEXT_EXPIRY])

    def drift(self) -> int:
        """The largest violation of what must hold of positions, cash and reservations (`engine.drift`): always 0."""
        return drift(self.engine)

    def find_client(self, account: int, client_order_id: str) -> int:
        """The record of an account's client order id, 0 where there is none."""
        key = np.zeros(1, CLIENT_ORDER_ID)
        key[0] = client_order_id.encode()
        return self._find_client(account, key)

    def _find_client(self, account: int, key: NDArray[Any]) -> int:
        """`key`: one CLIENT_ORDER_ID."""
        words = np.ascontiguousarray(key).view("<u8").reshape(1, -1)
        with np.errstate(over="ignore"):
            return int(clients.lookup_id(self.engine.clients, account, words))

    def find_order(self, order_id: int) -> int:
        """The record of an order number, 0 where there is none."""
        with np.errstate(over="ignore"):
            return int(clients.lookup_order(self.engine.clients, np.uint64(order_id)))

    def order_state(self, record: int) -> OrderState:
        """What became of the order of a record that `find_client` or `find_order` gave."""
        row = self.engine.clients.records[record]
        slot = int(row["slot"])
        state = OrderState(
            account=self.accounts.by_number(int(row["account"])).account,
            client_order_id=row["client_order_id"].decode(),
            order_id=str(int(row["order_id"])),
            order_status=OrderStatus(int(row["status"])).wire,
            reason=Reason(int(row["reason"])).wire if row["reason"] else None,
        )
        if not 1 <= int(row["instrument"]) <= len(self.instruments):
            return state
        entry = self.instruments.by_number(int(row["instrument"]))
        if slot:
            return self._working_state(state, entry, slot)
        ticks = int(row["limit_price"])
        return msgspec.structs.replace(
            state,
            symbol=entry.definition.symbol,
            side=Side(int(row["side"])).wire if row["side"] in (1, 2) else None,
            quantity=entry.scale.quantity_text(int(row["quantity"])),
            filled_quantity=entry.scale.quantity_text(int(row["filled"])),
            leaves_quantity=entry.scale.quantity_text(0),
            limit_price=entry.scale.price_text(ticks) if ticks else None,
        )

    def _working_state(self, state: OrderState, entry: InstrumentEntry, slot: int) -> OrderState:
        order, terms = self.engine.books.orders[slot], self.engine.books.terms[slot]
        quantity, leaves = int(order["quantity"]), int(order["leaves"])
        status = OrderStatus.NEW
        if leaves < quantity:
            status = OrderStatus.PARTIALLY_FILLED
        elif order["place"] == HELD or order["traits"] & RELEASED:
            status = OrderStatus.PENDING_NEW
        limit = int(terms["limit_price"])
        stop = int(terms["stop_price"]) if order["order_type"] >= OrderType.STOP else 0
        listed = int(terms["list_id"]) if order["traits"] & EXTENDED else 0
        return msgspec.structs.replace(
            state,
            list_id=str(listed) if listed else None,
            order_status=status.wire,
            symbol=entry.definition.symbol,
            side=Side(int(order["side"])).wire,
            quantity=entry.scale.quantity_text(quantity),
            filled_quantity=entry.scale.quantity_text(quantity - leaves),
            leaves_quantity=entry.scale.quantity_text(leaves),
            limit_price=entry.scale.price_text(limit) if limit else None,
            stop_price=entry.scale.price_text(stop) if stop else None,
        )

    def state_hash(self) -> str:
        """BLAKE2b over books, orders, client ids, accounts and reference data: equal states, equal hashes."""
        return hash_of(self.state_parts())

    def state_parts(self) -> Iterator[bytes]:
        """Copies of all that `state_hash` goes over. Copying takes a tenth of its time: who cannot wait for the rest of
        it has `hash_of` done beside."""
        books, table, money = self.engine.books, self.engine.clients, self.engine.ledger
        instruments, accounts = len(self.instruments) + 1, len(self.accounts) + 1
        slots = int(books.pool[book.USED]) + 1
        yield np.array([self.last_seq, self.next_expiry], np.int64).tobytes()
        for array in (
            books.pool,
            books.instruments[:instruments],
            books.best[:instruments],
            books.orders[:slots],
            books.terms[:slots],
            table.state,
            table.records[: int(table.state[clients.USED]) + 1],
            money.accounts[:accounts],
            money.pairs[:instruments, :accounts],
        ):
            yield array.tobytes()
        for instrument in self.instruments:
            venue = () if instrument.venue is None else (instrument.venue,)
            known = (*instrument[:2], instrument.action, instrument.closing_price, instrument.closing_seq, *venue)
            yield repr(known).encode()
        for account in self.accounts:
            yield repr(account).encode()
