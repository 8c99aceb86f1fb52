"""What the reference knows besides orders: instruments and accounts, and the rare commands that change them."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from engine.layout import REPLY, REPORT
from engine.messages import AdministrativeCommand, DefineAccount, DefineInstrument, Deposit, Print
from engine.reference.answers import Applied, Refused, records, rejection
from engine.reference.book import Instrument
from engine.words import ExecType, Outcome, Reason, Side

MONEY: Final = Fraction(1, 10**6)
MOST_TICKS: Final = 2**18
MOST_FEE_PPM: Final = 100_000


class ReferenceData:
    """Instruments and accounts have the numbers 1, 2, … in the order in which they were defined."""

    def __init__(self) -> None:
        self.instruments: list[Instrument] = []
        self.accounts: dict[str, int] = {}
        """Name → money units paid in."""

    def administer(self, seq: int, ts_ns: int, command: AdministrativeCommand) -> Applied:
        """Carries out an administrative command, or answers why not and changes nothing."""
        reports: list[dict[str, Any]] = []
        reply: dict[str, Any] = {"outcome": Outcome.ACCEPTED}
        try:
            match command:
                case DefineInstrument():
                    self._define_instrument(command)
                case DefineAccount():
                    self.accounts.setdefault(command.account, steps(command.deposit, MONEY))
                case Deposit():
                    if command.account not in self.accounts:
                        raise Refused(Reason.UNKNOWN_ACCOUNT, "account")
                    self.accounts[command.account] += steps(command.amount, MONEY)
                case Print():
                    reports.append({"seq": seq, "ts_ns": ts_ns} | self._print(command))
                case _:  # a command refused at the door: it has its place in the sequence, and its reason
                    raise Refused(Reason[command.reason.upper()], command.field)
        except Refused as refused:
            reply = rejection(refused)
        return Applied(records(reports, REPORT), records([{"seq": seq} | reply], REPLY))

    def _define_instrument(self, command: DefineInstrument) -> None:
        """A known symbol takes new fees and a new description; its units and band stay."""
        tick_size, lot_size = Fraction(command.tick_size), Fraction(command.lot_size)
        worth = tick_size * lot_size / MONEY
        if tick_size <= 0 or lot_size <= 0 or worth.denominator != 1:
            raise Refused(Reason.INVALID_FIELD, "tick_size")
        price_min = steps(command.price_min, tick_size, Reason.PRICE_INCREMENT, "price_min")
        price_max = steps(command.price_max, tick_size, Reason.PRICE_INCREMENT, "price_max")
        if not 1 <= price_min <= price_max:
            raise Refused(Reason.INVALID_FIELD, "price_min")
        if price_max - price_min + 1 > MOST_TICKS:
            raise Refused(Reason.INVALID_FIELD, "price_max")
        for name in ("maker_fee_ppm", "taker_fee_ppm"):
            if not -MOST_FEE_PPM <= getattr(command, name) <= MOST_FEE_PPM:
                raise Refused(Reason.INVALID_FIELD, name)
        known = self._instrument_number(command.symbol)
        if not known:
            self.instruments.append(Instrument(command, price_min, price_max, int(worth)))
            return
        instrument = self.instruments[known - 1]
        for name in ("tick_size", "lot_size", "price_min", "price_max", "currency"):
            if getattr(instrument.definition, name) != getattr(command, name):
                raise Refused(Reason.INVALID_FIELD, name)
        instrument.definition = command

    def _instrument_number(self, symbol: str) -> int:
        """0 where there is none."""
        symbols = [instrument.definition.symbol for instrument in self.instruments]
        return symbols.index(symbol) + 1 if symbol in symbols else 0

    def _print(self, command: Print) -> dict[str, Any]:
        """A trade made elsewhere goes on the tape; no order and no book is touched."""
        number = self._instrument_number(command.symbol)
        if not number:
            raise Refused(Reason.UNKNOWN_SYMBOL, "symbol")
        definition = self.instruments[number - 1].definition
        price = steps(command.price, Fraction(definition.tick_size), Reason.PRICE_INCREMENT, "price")
        if price <= 0:
            raise Refused(Reason.INVALID_PRICE, "price")
        quantity = steps(command.quantity, Fraction(definition.lot_size), Reason.QUANTITY_INCREMENT, "quantity")
        if quantity <= 0:
            raise Refused(Reason.INVALID_QUANTITY, "quantity")
        sides = {None: 0, "buy": Side.BUY, "sell": Side.SELL}
        if command.aggressor_side not in sides:
            raise Refused(Reason.INVALID_FIELD, "aggressor_side")
        return {
            "exec_type": ExecType.PRINT,
            "transact_ns": command.transact_ns,
            "instrument": number,
            "side": sides[command.aggressor_side],
            "last_price": price,
            "last_quantity": quantity,
            "match": 1,
        }


def steps(value: Decimal, step: Fraction, reason: Reason = Reason.INVALID_FIELD, name: str = "") -> int:
    """How many steps make the value."""
    count = Fraction(value) / step
    if count.denominator != 1:
        raise Refused(reason, name)
    return int(count)
