"""The pure state machine: sequenced commands in, reports and replies out.

No clock, no randomness, no float, no I/O: the same commands give the same bits, rejections included. The engine, the
publisher and every replay run this one class.
"""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine import book, clients, matching
from engine.codes import COMMAND_WORDS, REPORT_WORDS
from engine.jit import COMPILED
from engine.layout import CLIENT_ORDER_ID, COMMAND, REPLY, REPORT, field_number
from engine.messages import (
    AdministrativeCommand,
    DefineAccount,
    DefineInstrument,
    Deposit,
    OrderState,
    Print,
    Refused,
    Unreadable,
)
from engine.refusal import Refusal
from engine.registry import AccountEntry, Accounts, InstrumentEntry, Instruments, max_quantity
from engine.state import Batch, Engine, Output
from engine.units import NotMultiple, OutOfRange, Scale, money_units
from engine.words import ExecType, OrderStatus, Outcome, Reason, Side

INSTRUMENT_ROOM: Final = 64
"""Books allocated at first; more instruments double it, outside the hot path."""
FIRST_REPORTS: Final = 1 << 14
MAX_FEE_PPM: Final = 100_000


class Applied(NamedTuple):
    """What a batch did. The arrays are the core's own: read them before the next call."""

    reports: NDArray[Any]
    """REPORT, in order."""
    replies: NDArray[Any]
    """REPLY, one a command."""


class Core:
    """The exchange's state and what changes it."""

    def __init__(self, *, max_orders: int, max_client_ids: int = 0) -> None:
        """`max_orders`: room for working orders; `max_client_ids`: how many client order ids are remembered, at least
        one more than `max_orders` (0: twice as many)."""
        ids = max_client_ids or 2 * max_orders
        if ids <= max_orders:
            raise ValueError("max_client_ids must be larger than max_orders")
        self.engine = Engine(book.allocate(INSTRUMENT_ROOM, max_orders), clients.allocate(ids), np.zeros(1, np.int64))
        self.instruments = Instruments()
        self.accounts = Accounts()
        self.max_orders = max_orders
        self.last_seq = 0
        self._written = np.zeros(1, np.int64)
        self._set_reports(FIRST_REPORTS)

    def _set_reports(self, size: int) -> None:
        fresh = np.zeros(size, REPORT)
        if self._written[0]:
            fresh[: self._written[0]] = self._reports[: self._written[0]]
        self._reports: NDArray[Any] = fresh

    # ------------------------------------------------------------------------------------------------- orders

    def apply(self, commands: NDArray[Any]) -> Applied:
        """Applies a batch of COMMAND records, sequenced and stamped, in order."""
        commands = np.ascontiguousarray(commands)
        replies = np.zeros(len(commands), REPLY)
        if len(commands) == 0:
            return Applied(self._reports[:0], replies)
        batch = Batch(commands, commands.view("<u8").reshape(len(commands), COMMAND_WORDS))
        self._written[0] = 0
        done = 0
        while True:
            done = self._run(batch, done, replies)
            if done == len(commands):
                break
            self._set_reports(2 * len(self._reports))
        self.last_seq = int(commands["seq"][-1])
        return Applied(self._reports[: self._written[0]], replies)

    def _run(self, batch: Batch, done: int, replies: NDArray[Any]) -> int:
        words = self._reports.view("<u8").reshape(len(self._reports), REPORT_WORDS)
        out = Output(self._reports, words, replies, self._written)
        if COMPILED:
            return int(matching.run(self.engine, batch, done, out))
        with np.errstate(over="ignore"):  # 64-bit hashes wrap around, which compiled code does without a word
            return int(matching.run(self.engine, batch, done, out))

    # ---------------------------------------------------------------------------------------- administrative

    def check(self, command: AdministrativeCommand) -> None:
        """Raises `Refusal` where `administer` could not carry the command out."""
        match command:
            case DefineInstrument():
                self._instrument_entry(command, 0, 0)
            case DefineAccount():
                _money(command.deposit, "deposit")
            case Deposit():
                self._account(command.account)
                _money(command.amount, "amount")
            case Print():
                self._print_numbers(command)

    def administer(self, seq: int, ts_ns: int, command: AdministrativeCommand) -> Applied:
        """Carries out one administrative command. One that `check` refuses changes nothing and is answered so."""
        reply = np.zeros(1, REPLY)
        reply["seq"] = seq
        self._written[0] = 0
        self.last_seq = seq
        try:
            self._carry_out(seq, ts_ns, command)
            reply["outcome"] = int(Outcome.ACCEPTED)
        except Refusal as refusal:
            reply["outcome"] = int(Outcome.REJECTED)
            reply["reason"] = int(refusal.reason)
            reply["field"] = field_number(refusal.field)
        return Applied(self._reports[: self._written[0]], reply)

    def _carry_out(self, seq: int, ts_ns: int, command: AdministrativeCommand) -> None:
        match command:
            case DefineInstrument():
                self._define_instrument(command, seq, ts_ns)
            case DefineAccount():
                if self.accounts.find(command.account) is None:
                    number = len(self.accounts) + 1
                    deposits = _money(command.deposit, "deposit")
                    self.accounts.put(AccountEntry(number, command.account, command.currency, deposits, seq, ts_ns))
                    self.engine.accounts[0] = number
            case Deposit():
                entry = self._account(command.account)
                deposits = entry.deposits + _money(command.amount, "amount")
                self.accounts.put(entry._replace(deposits=deposits, seq=seq, ts_ns=ts_ns))
            case Print():
                self._print(command, seq, ts_ns)
            case Unreadable():
                raise Refusal(Reason[command.reason.upper()], command.field, command.text)
            case Refused():
                raise Refusal(Reason[command.reason.upper()], command.field, command.text)

    def _account(self, account: str) -> AccountEntry:
        entry = self.accounts.find(account)
        if entry is None:
            raise Refusal(Reason.UNKNOWN_ACCOUNT, "account")
        return entry

    def _instrument_entry(self, command: DefineInstrument, seq: int, ts_ns: int) -> InstrumentEntry:
        try:
            scale = Scale(command.tick_size, command.lot_size)
        except (NotMultiple, OutOfRange) as error:
            text = f"tick_size × lot_size must be a positive multiple of 0.000001: {error}"
            raise Refusal(Reason.INVALID_FIELD, "tick_size", text) from None
        price_min = _ticks(scale, command.price_min, "price_min")
        price_max = _ticks(scale, command.price_max, "price_max")
        if price_min < 1 or price_max < price_min:
            raise Refusal(Reason.INVALID_FIELD, "price_min", "0 < price_min <= price_max must hold")
        if price_max - price_min >= book.LEVELS:
            text = f"price_min to price_max may span at most {book.LEVELS} ticks"
            raise Refusal(Reason.INVALID_FIELD, "price_max", text)
        for name in ("maker_fee_ppm", "taker_fee_ppm"):
            if abs(getattr(command, name)) > MAX_FEE_PPM:
                raise Refusal(Reason.INVALID_FIELD, name, f"at most {MAX_FEE_PPM} millionths")
        known = self.instruments.find(command.symbol)
        if known is not None:
            fixed = ("tick_size", "lot_size", "price_min", "price_max", "currency")
            for name in fixed:
                if getattr(known.definition, name) != getattr(command, name):
                    raise Refusal(Reason.INVALID_FIELD, name, "cannot change once the instrument exists")
        number = known.number if known else len(self.instruments) + 1
        most = max_quantity(price_max, scale.money_per_tick_lot)
        return InstrumentEntry(number, command, scale, price_min, price_max, most, seq, ts_ns)

    def _define_instrument(self, command: DefineInstrument, seq: int, ts_ns: int) -> None:
        entry = self._instrument_entry(command, seq, ts_ns)
        if entry.number >= len(self.engine.books.instruments):
            self._grow_books()
        self.instruments.put(entry)
        table = self.engine.books.instruments
        table["base"][entry.number] = entry.price_min
        table["levels"][entry.number] = entry.price_max - entry.price_min + 1
        table["money"][entry.number] = entry.scale.money_per_tick_lot
        table["maker_fee_ppm"][entry.number] = command.maker_fee_ppm
        table["taker_fee_ppm"][entry.number] = command.taker_fee_ppm
        table["max_quantity"][entry.number] = entry.max_quantity

    def _grow_books(self) -> None:
        old = self.engine.books
        wider = book.allocate(2 * (len(old.instruments) - 1), 1)
        for name in ("instruments", "queues", "bitmaps"):
            getattr(wider, name)[: len(old.instruments)] = getattr(old, name)
        self.engine = self.engine._replace(books=wider._replace(orders=old.orders, pool=old.pool))

    def _print_numbers(self, command: Print) -> tuple[InstrumentEntry, int, int, int]:
        entry = self.instruments.find(command.symbol)
        if entry is None:
            raise Refusal(Reason.UNKNOWN_SYMBOL, "symbol")
        price = _ticks(entry.scale, command.price, "price")
        if price <= 0:
            raise Refusal(Reason.INVALID_PRICE, "price")
        try:
            quantity = entry.scale.lots(command.quantity)
        except NotMultiple:
            raise Refusal(Reason.QUANTITY_INCREMENT, "quantity") from None
        except OutOfRange:
            raise Refusal(Reason.INVALID_QUANTITY, "quantity") from None
        if quantity <= 0:
            raise Refusal(Reason.INVALID_QUANTITY, "quantity")
        side = 0
        if command.aggressor_side is not None:
            if command.aggressor_side not in Side.words():
                raise Refusal(Reason.INVALID_FIELD, "aggressor_side", "buy or sell")
            side = Side.words()[command.aggressor_side]
        if not 0 <= command.transact_ns < 1 << 63:
            raise Refusal(Reason.INVALID_FIELD, "transact_ns", "transact_ns must be between 0 and 2^63")
        return entry, price, quantity, side

    def _print(self, command: Print, seq: int, ts_ns: int) -> None:
        entry, price, quantity, side = self._print_numbers(command)
        report = self._reports[:1]
        report[:] = np.zeros(1, REPORT)
        report["seq"] = seq
        report["ts_ns"] = ts_ns
        report["transact_ns"] = command.transact_ns
        report["instrument"] = entry.number
        report["exec_type"] = int(ExecType.PRINT)
        report["side"] = side
        report["last_price"] = price
        report["last_quantity"] = quantity
        report["match"] = 1
        self._written[0] = 1

    def compile(self) -> None:
        """Makes the machine code ready (seconds the first time, then from the cache), changing nothing."""
        self._run(Batch(np.zeros(0, COMMAND), np.zeros((0, COMMAND_WORDS), np.uint64)), 0, np.zeros(0, REPLY))
        self.depth(0, 1)
        self.find_client(0, "")
        self.find_order(0)

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

    def find_client(self, account: int, client_order_id: str) -> int:
        """The record of an account's client order id, 0 where there is none."""
        key = np.zeros(1, CLIENT_ORDER_ID)
        key[0] = client_order_id.encode()
        with np.errstate(over="ignore"):
            return int(clients.lookup_id(self.engine.clients, account, key.view("<u8").reshape(1, -1)))

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
        order = self.engine.books.orders[slot] if slot else None
        filled = int(row["filled"])
        status = OrderStatus.PARTIALLY_FILLED if filled else OrderStatus.NEW
        ticks = int(order["level"]) + entry.price_min if order is not None else int(row["limit_price"])
        quantity = int(order["quantity"]) if order is not None else int(row["quantity"])
        leaves = int(order["leaves"]) if order is not None else 0
        return msgspec.structs.replace(
            state,
            order_status=status.wire if order is not None else state.order_status,
            symbol=entry.definition.symbol,
            side=Side(int(row["side"])).wire if row["side"] in (1, 2) else None,
            quantity=entry.scale.quantity_text(quantity),
            filled_quantity=entry.scale.quantity_text(filled),
            leaves_quantity=entry.scale.quantity_text(leaves),
            limit_price=entry.scale.price_text(ticks) if ticks else None,
        )

    def state_hash(self) -> str:
        """BLAKE2b over books, orders, client ids, accounts and reference data: equal states, equal hashes."""
        digest = hashlib.blake2b(digest_size=16)
        books, table = self.engine.books, self.engine.clients
        digest.update(np.int64(self.last_seq).tobytes())
        digest.update(books.pool.tobytes())
        digest.update(books.instruments[: len(self.instruments) + 1].tobytes())
        digest.update(books.orders[: int(books.pool[book.USED]) + 1].tobytes())
        digest.update(table.state.tobytes())
        digest.update(table.records[: int(table.state[clients.USED]) + 1].tobytes())
        for entry in (*self.instruments, *self.accounts):
            digest.update(
                repr(tuple(entry[:2])).encode() if isinstance(entry, InstrumentEntry) else repr(entry).encode()
            )
        return digest.hexdigest()


def _ticks(scale: Scale, price: Decimal, name: str) -> int:
    try:
        return scale.ticks(price)
    except NotMultiple:
        raise Refusal(Reason.PRICE_INCREMENT, name) from None
    except OutOfRange:
        raise Refusal(Reason.INVALID_PRICE, name) from None


def _money(amount: Decimal, name: str) -> int:
    try:
        return money_units(amount)
    except ValueError as error:
        raise Refusal(Reason.INVALID_FIELD, name, f"at most 6 decimals: {error}") from None
