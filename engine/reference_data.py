"""The core's instruments and accounts: what administrative commands set, in the registries that name them and in the
arrays that matching reads."""

from __future__ import annotations

from typing import Final

import numpy as np

from engine import book, clients, definitions, ledger
from engine.codes import BILLION, NEVER
from engine.ledger import NO_FEE
from engine.messages import Deposit, Limits
from engine.refusal import Refusal
from engine.registry import AccountEntry, Accounts, InstrumentEntry, Instruments
from engine.state import NEXT_EXPIRY, WORK, Engine
from engine.words import Phase, Reason, SelfTrade, SelfTradeScope

INSTRUMENT_ROOM: Final = 64
"""Books allocated at first; more instruments double it, outside the hot path."""
ACCOUNT_ROOM: Final = 1024
"""So for accounts."""


def allocate(max_orders: int, max_client_ids: int) -> Engine:
    """The arrays of an exchange where nothing is known yet."""
    work = np.zeros(WORK, np.int64)
    work[NEXT_EXPIRY] = NEVER
    return Engine(
        book.allocate(INSTRUMENT_ROOM, max_orders),
        clients.allocate(max_client_ids),
        ledger.allocate(INSTRUMENT_ROOM, ACCOUNT_ROOM),
        work,
        np.zeros(max_orders, np.uint32),
    )


class ReferenceData:
    """The state, and its part that people set."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.instruments = Instruments()
        self.accounts = Accounts()

    def _account(self, account: str) -> AccountEntry:
        return definitions.find_account(self.accounts, account)

    def _instrument(self, symbol: str) -> InstrumentEntry:
        return definitions.find_instrument(self.instruments, symbol)

    def _deposited(self, command: Deposit) -> AccountEntry:
        """The account after a deposit or a withdrawal."""
        entry = self._account(command.account)
        after = definitions.deposits_after(entry, command.amount)
        if after < entry.deposits and (after < 0 or (entry.margin > 0 and self._available(entry.number, after) < 0)):
            raise Refusal(Reason.BUYING_POWER, "amount", "the account's money is not free")
        return entry._replace(deposits=after)

    def _limited(self, command: Limits) -> AccountEntry:
        """The account after a change of its limits."""
        entry = self._account(command.account)
        instrument = None if command.symbol is None else self._instrument(command.symbol)
        changed = definitions.with_limits(entry, command, instrument)
        if changed.margin > 0 and entry.margin == 0 and self._is_abroad(entry):
            text = "the account has traded in another currency, or has orders there: its buying power cannot be told"
            raise Refusal(Reason.INVALID_FIELD, "margin_multiple", text)
        return changed

    def _is_abroad(self, entry: AccountEntry) -> bool:
        """Whether the account has anything to do with instruments of another currency."""
        rows = self.engine.ledger.pairs[:, entry.number]
        foreign = [listed.number for listed in self.instruments if definitions.is_foreign(entry, listed)]
        return any(rows[name][number] for number in foreign for name in ("bought", "sold", "open_orders"))

    def _available(self, number: int, deposits: int) -> int:
        """Money units of buying power that an account would have left with such deposits."""
        row = self.engine.ledger.accounts[number]
        equity = deposits + int(row["realized"]) - int(row["fees"])
        return equity * int(row["margin"]) // 100 - int(row["cost_used"]) - int(row["reserved"])

    def _define_instrument(self, entry: InstrumentEntry) -> None:
        known = len(self.engine.books.instruments)
        if entry.number >= known:
            room = 2 * (known - 1)
            accounts = len(self.engine.ledger.accounts) - 1
            self.engine = self.engine._replace(
                books=book.grown(self.engine.books, room), ledger=ledger.grown(self.engine.ledger, room, accounts)
            )
        is_new = entry.number > len(self.instruments)
        self.instruments.put(entry)
        table = self.engine.books.instruments
        table["base"][entry.number] = entry.price_min
        table["levels"][entry.number] = entry.price_max - entry.price_min + 1
        table["money"][entry.number] = entry.scale.money_per_tick_lot
        table["maker_fee_ppm"][entry.number] = entry.definition.maker_fee_ppm
        table["taker_fee_ppm"][entry.number] = entry.definition.taker_fee_ppm
        table["max_quantity"][entry.number] = entry.max_quantity
        if is_new:
            table["phase"][entry.number] = int(Phase.CONTINUOUS)
            for account in self.accounts:
                self._set_bounds(account, entry)

    def _define_account(self, entry: AccountEntry) -> None:
        known = len(self.engine.ledger.accounts)
        if entry.number >= known:
            instruments = len(self.engine.books.instruments) - 1
            wider = ledger.grown(self.engine.ledger, instruments, 2 * (known - 1))
            self.engine = self.engine._replace(ledger=wider)
        self.engine.ledger.accounts["firm"][entry.number] = self._firm_number(entry.firm)
        self._set_account(entry, entry.seq, entry.ts_ns)
        self.engine.ledger.known[0] = entry.number

    def _firm_number(self, firm: str | None) -> int:
        """Firms are numbered in the order in which accounts name them; 0 is none."""
        if firm is None:
            return 0
        firms = self.engine.ledger.accounts["firm"]
        for entry in self.accounts:
            if entry.firm == firm:
                return int(firms[entry.number])
        return int(firms[: len(self.accounts) + 1].max()) + 1

    def _set_account(self, entry: AccountEntry, seq: int, ts_ns: int) -> None:
        """The account as it is from this command on."""
        old = self.accounts.find(entry.account)
        self.accounts.put(entry._replace(seq=seq, ts_ns=ts_ns))
        table = self.engine.ledger.accounts
        number = entry.number
        table["deposits"][number] = entry.deposits
        table["margin"][number] = entry.margin
        table["maker_fee_ppm"][number] = NO_FEE if entry.maker_fee_ppm is None else entry.maker_fee_ppm
        table["taker_fee_ppm"][number] = NO_FEE if entry.taker_fee_ppm is None else entry.taker_fee_ppm
        table["self_trade_prevention"][number] = SelfTrade.words()[entry.self_trade_prevention]
        table["scope"][number] = SelfTradeScope.words()[entry.self_trade_scope]
        table["killed"][number] = entry.killed
        table["rate"][number] = entry.messages_per_second or 0
        table["burst"][number] = entry.message_burst or entry.messages_per_second or 0
        if old is None or old.limits != entry.limits or (old.margin > 0) != (entry.margin > 0):
            for instrument in self.instruments:
                self._set_bounds(entry, instrument)

    def _set_bounds(self, account: AccountEntry, instrument: InstrumentEntry) -> None:
        for name, bound in definitions.bounds(account, instrument).items():
            self.engine.ledger.pairs[name][instrument.number, account.number] = bound

    def _fill_bucket(self, number: int, ts_ns: int) -> None:
        table = self.engine.ledger.accounts
        table["tokens"][number] = table["burst"][number] * BILLION
        table["tokens_ns"][number] = ts_ns
