"""The doors of the reference: commands in, reports and replies out, and what can be asked of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.layout import COMMAND
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
    Print,
    Resume,
    SetPhase,
    Split,
    Timer,
    VenueEnd,
    VenueFill,
)
from engine.reference import auction, changes, corporate_actions, lists, market, phases, reference_data, venues
from engine.reference.accounts import PositionNumbers
from engine.reference.answers import Applied, Refused, applied, rejection
from engine.reference.entry import new_order
from engine.reference.orders import list_type
from engine.reference.state import State
from engine.words import CommandType, Outcome, Phase, Reason, Side

NEVER = 2**63 - 1


class Reference:
    """The engine's state, and what each command does to it."""

    def __init__(self, *, max_orders: int, max_client_ids: int = 0) -> None:
        self.state = State(max_orders, max_client_ids or 2 * max_orders)

    def apply(self, commands: NDArray[Any]) -> Applied:
        """Applies COMMAND records in order."""
        # Namespaces of Python integers and bytes: numbers of a fixed size would wrap around.
        waiting = [SimpleNamespace(**dict(zip(COMMAND.names or (), record.item(), strict=True))) for record in commands]
        replies: list[dict[str, Any]] = []
        while waiting:
            first = waiting[0]
            if first.type == CommandType.NEW and list_type(first.flags):
                legs = lists.first_legs(waiting)
                answers = lists.new_list(self.state, legs) if legs else [lists.refuse_part(self.state, first)]
            else:
                answers = [self._apply(first)]
            replies += [{"seq": command.seq} | answer for command, answer in zip(waiting, answers, strict=False)]
            del waiting[: len(answers)]
        return applied(self.state.answers.take(), replies)

    def _apply(self, command: Any) -> dict[str, Any]:
        match command.type:
            case CommandType.NEW:
                return new_order(self.state, command)
            case CommandType.CANCEL:
                return changes.cancel(self.state, command)
            case CommandType.REPLACE:
                return changes.replace(self.state, command)
            case CommandType.CANCEL_ALL:
                return changes.cancel_all(self.state, command)
        return rejection(Refused(Reason.INVALID_FIELD, "type"))

    def administer(self, seq: int, ts_ns: int, command: AdministrativeCommand) -> Applied:
        """Carries out an administrative command, or answers why not and changes nothing."""
        self.state.answers.begin(seq, ts_ns, 0)
        try:
            reply = {"outcome": Outcome.ACCEPTED, "affected": self._administer(ts_ns, command)}
        except Refused as refused:
            reply = rejection(refused)
        return applied(self.state.answers.take(), [{"seq": seq} | reply])

    def _administer(self, ts_ns: int, command: AdministrativeCommand) -> int:
        """Returns how many orders a kill switch or a split canceled, or a venue filled or ended."""
        state = self.state
        match command:
            case DefineInstrument():
                reference_data.define_instrument(state, command)
            case DefineAccount():
                reference_data.define_account(state, command)
            case Deposit():
                reference_data.deposit(state, command)
            case Limits():
                reference_data.set_limits(state, ts_ns, command)
            case Fees():
                reference_data.set_fees(state, command)
            case Print():
                reference_data.print_trade(state, command)
            case Halt():
                phases.halt(reference_data.find_instrument(state, command.symbol))
            case Resume():
                phases.resume(state, reference_data.find_instrument(state, command.symbol))
            case SetPhase():
                self._set_phase(command)
            case Timer():
                phases.expire(state, ts_ns)
            case Kill():
                name = command.account
                accounts = state.accounts if name is None else [reference_data.find_account(state, name)]
                return phases.kill(state, [account.number for account in accounts], command.active)
            case Split():
                instrument = reference_data.find_instrument(state, command.symbol)
                return corporate_actions.split(state, instrument, command)
            case Dividend():
                corporate_actions.dividend(state, reference_data.find_instrument(state, command.symbol), command)
            case VenueFill():
                return venues.fill(state, command)
            case VenueEnd():
                return venues.end(state, command)
            case _:  # a command refused at the door: it has its place in the sequence, and its reason
                raise Refused(Reason[command.reason.upper()], command.field)
        return 0

    def _set_phase(self, command: SetPhase) -> None:
        instrument = reference_data.find_instrument(self.state, command.symbol)
        number = Phase.words().get(command.phase, int(Phase.HALTED))
        if Phase.HALTED in (number, instrument.phase):
            raise Refused(Reason.INVALID_FIELD, "phase")
        if not 0 <= command.day_ends_ns < 2**63:
            raise Refused(Reason.INVALID_FIELD, "day_ends_ns")
        if command.venue is not None and number != Phase.OPENING_AUCTION:
            raise Refused(Reason.INVALID_FIELD, "venue")
        phases.set_phase(self.state, instrument, Phase(number), command.day_ends_ns)
        instrument.venue = command.venue
        if command.venue is not None:
            market.enter_released(self.state, instrument)

    # ------------------------------------------------------------------------------------------------ queries

    @property
    def next_expiry(self) -> int:
        """Nanoseconds at which the next order's time is over; 2^63 − 1: never."""
        times = (phases.expires_ns(self.state, order) for order in self.state.working.values())
        return min((time for time in times if time), default=NEVER)

    def depth(self, instrument: int, levels: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Bids and asks of an instrument by number, best first: (n, 3) of price ticks, lots, orders."""
        book = self.state.instruments[instrument - 1]
        return book.depth(Side.BUY, levels), book.depth(Side.SELL, levels)

    def last_price(self, instrument: int) -> int:
        """Ticks of the last trade, 0 before the first."""
        return self.state.instruments[instrument - 1].last_price

    def phase(self, instrument: int) -> Phase:
        return self.state.instruments[instrument - 1].phase

    def rest(self, instrument: int) -> tuple[int, int]:
        """Lots and money units that splits have left with no account."""
        known = self.state.instruments[instrument - 1]
        return known.rest_quantity, known.rest_cash

    def indicative(self, instrument: int) -> tuple[int, int]:
        """Price ticks and lots of what an uncross would trade now, (0, 0) where nothing."""
        return auction.indicative(self.state.instruments[instrument - 1])

    def position(self, account: int, instrument: int) -> PositionNumbers:
        return self.state.accounts[account - 1].holding(instrument).numbers()
