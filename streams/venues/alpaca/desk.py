"""The desk that trades at Alpaca: what the topics say of our orders and what Alpaca says of its own are put side by
side, and `routing` says what is to be done."""

from __future__ import annotations

import logging
import queue
import time
from collections.abc import Sequence
from typing import Final

import msgspec

from engine.client import Client
from engine.messages import DefineAccount, DefineInstrument, Replace, SetPhase, VenueEnd
from engine.words import OrderStatus, Phase, Reason
from streams import metrics
from streams.feeds.alpaca.source import State
from streams.lifecycle import Outage
from streams.outbox import Outbox
from streams.strategies.instrument import Listed
from streams.venues.alpaca import corrections, finding, reconciliation, routing
from streams.venues.alpaca.alarm import Alarm
from streams.venues.alpaca.booking import Bookkeeper, held, must, refused
from streams.venues.alpaca.corrections import Execution
from streams.venues.alpaca.groups import Group
from streams.venues.alpaca.orders import Ours
from streams.venues.alpaca.routing import Route
from streams.venues.alpaca.trading import AwayError, RefusedError, Trading
from streams.venues.alpaca.wire import Correction, TheirFill, TheirOrder, Update

log = logging.getLogger(__name__)

RECONCILE_S: Final = 60.0
AGAIN_S: Final = 5.0
"""A difference is told when it is still there so much later: what is on its way is none."""
OVERLAP_NS: Final = 60 * 10**9
"""Fills are asked for again from so long before the last one known."""
CONFLICT: Final = 422


class Desk:
    """All routes, and the two sides that they join."""

    def __init__(
        self,
        trading: Trading,
        ours: Ours,
        units: dict[str, Listed],
        venue: str,
        outbox: Outbox,
        *,
        confirmed: str | None = None,
    ) -> None:
        """`confirmed`: the only account there that may be traded on; None: any."""
        self._trading = trading
        self._ours = ours
        self._units = units
        self._venue = venue
        self._bookkeeper = Bookkeeper(units, venue)
        self._alarm = Alarm(outbox, venue)
        self._confirmed = confirmed
        self._client: Client
        self.away = Outage(log, "Alpaca")
        self._by_their_id: dict[str, Route] = {}
        self._corrected: set[str] = set()
        """Orders there that have had a fill corrected: how they count what follows is not documented."""
        self._foreign: set[str] = set()
        """Orders there that are none of ours."""
        self._executions: dict[str, Execution] = {}
        """Fills by Alpaca's own names, as they stand after corrections."""
        self._uncertain: set[str] = set()
        """Orders that may have been entered there without an answer."""
        self._held: set[str] = set()
        """Symbols of which the engine knows that they are traded there."""
        self._dirty: set[str] = set()
        self._since_ns = 0
        """From when on fills are asked for."""
        self._resync_at: float = 0.0
        self._reconcile_at: float = 0.0
        self.compared: reconciliation.Compared | None = None
        """The last comparison."""

    # ------------------------------------------------------------------------------------------------ a session

    def open(self, client: Client, definitions: Sequence[DefineInstrument]) -> None:
        """Sees to it that the engine has what is needed: instruments, the account that stands for Alpaca, and no
        trading here in what is traded there. Raises `AwayError`, SystemExit."""
        self._client = self._bookkeeper.client = client
        session = client.connect()
        balance = self._trading.balance()
        self.away.back()
        if self._confirmed is not None and balance.number != self._confirmed:
            raise SystemExit(
                f"trading with real money is confirmed for account {self._confirmed or 'none'}, and this is "
                f"{balance.number}: hft venue confirm-live"
            )
        known = {one.symbol for one in session.instruments}
        for definition in definitions:
            if definition.symbol not in known:
                must(client.administer(definition))
        if self._venue not in session.account_ids:
            must(client.administer(DefineAccount(account=self._venue, deposit=balance.cash)))
            self._ours.deposits = balance.cash
        self._held.clear()
        self._hold_phases()
        self._dirty.update(self._ours.routes)
        self._resync_at = 0.0

    def _hold_phases(self) -> None:
        """Orders are collected here and matched there: an auction that never trades."""
        for one in self._client.connect().instruments:
            collects = one.phase == Phase.OPENING_AUCTION.wire
            if (
                one.symbol not in self._units
                or one.phase == Phase.HALTED.wire
                or (collects and one.symbol in self._held)
            ):
                continue
            phase = SetPhase(symbol=one.symbol, phase=Phase.OPENING_AUCTION.wire, venue=self._venue)
            must(self._client.administer(phase))
            self._held.add(one.symbol)
            if not collects:
                log.warning("%s is traded at Alpaca from now on: orders here are matched no more", one.symbol)

    def turn(self, wait_s: float) -> None:
        """One round. Raises `AwayError`, `RefusedError`, `MessageError` where Alpaca is away, what the client raises
        where the engine is."""
        self._dirty |= self._ours.read(wait_s)
        self._hear()
        if time.monotonic() >= self._resync_at:
            self._resync()
            self._resync_at = time.monotonic() + RECONCILE_S
        for order_id in self._with_their_lists():
            route = self._ours.routes.get(order_id)
            self._dirty.discard(order_id)
            if route is not None:
                try:
                    self._step(route)
                except BaseException:
                    self._dirty.add(order_id)
                    raise
        if time.monotonic() >= self._reconcile_at:
            self._reconcile()

    def _with_their_lists(self) -> list[str]:
        """What is to be looked at: what becomes of one order of a list concerns the others."""
        found = dict.fromkeys(self._dirty)
        for order_id in self._dirty:
            route = self._ours.routes.get(order_id)
            if route is not None and route.group is not None:
                found |= dict.fromkeys(leg.order.order_id for leg in route.group.legs)
        return list(found)

    # ---------------------------------------------------------------------------------------------- what they say

    def _hear(self) -> None:
        while True:
            try:
                message = self._trading.messages.get_nowait()
            except queue.Empty:
                return
            if isinstance(message, Update):
                self._on_update(message)
            elif message is State.DOWN:
                metrics.VENUE_UP.labels(self._venue).set(0)
                self.away.lost("the stream of updates has ended")
            else:
                if message is State.UP:
                    metrics.VENUE_UP.labels(self._venue).set(1)
                    self.away.back()
                self._resync_at = 0.0

    def _on_update(self, update: Update) -> None:
        route = self._known(update.order)
        if update.correction is not None and route is not None:
            try:
                self._correct(route, update.order, update.correction, busted=update.event == "trade_bust")
            except BaseException:
                self._trading.messages.put(update)  # it is said only once
                raise
        if update.means.alerts:
            text = f"{update.event}: order {update.order.id} {update.reason}".rstrip()
            self._alarm.say(reconciliation.Difference(update.order.symbol, text))
        if route is None or update.correction is not None:
            return
        if update.fill is not None:
            if route.group is not None and route.group.waits_for_entry(route):
                self._resync_at = 0.0
            elif route.is_new(update.fill) and route.own + update.fill.quantity == update.fill.cumulative:
                self._book(route, update.fill)
            elif route.is_new(update.fill):
                self._resync_at = 0.0  # one before it is missing: they come in order by REST
        replaces = (routing.revision_of(update.order.name, route.order) or 0) > 0
        if update.event == "order_replace_rejected" or (update.event == "rejected" and replaces):
            route.unchanged = route.wanted
            self._look(route)
        elif update.event == "order_cancel_rejected":
            route.asked = None
            self._look(route)
        else:
            route.saw(update.order)
        self._dirty.add(route.order.order_id)

    def _known(self, theirs: TheirOrder) -> Route | None:
        """The route of an order there."""
        route = self._by_their_id.get(theirs.id)
        if route is None:
            parts = routing.parts_of(theirs.name)
            route = None if parts is None else self._ours.routes.get(parts[0])
            if route is not None and routing.revision_of(theirs.name, route.order) is None:
                route = None
            before = self._by_their_id.get(theirs.replaces or "")
            if route is None and before is not None and before.group is not None and before in before.group.exits:
                route = before.group.exit_of(theirs)
            if route is not None:
                self._claim(route, theirs)
        return route

    def _claim(self, route: Route, theirs: TheirOrder) -> None:
        """The order there was entered for ours."""
        if theirs.id in self._by_their_id:
            return
        self._by_their_id[theirs.id] = route
        if theirs.id in self._foreign:
            self._foreign.discard(theirs.id)
            self._since_ns = min(self._since_ns, theirs.submitted_ns - OVERLAP_NS)
            self._resync_at = 0.0
        if route.is_corrected(theirs):
            self._corrected.add(theirs.id)
        for name, quantity in self._ours.booked.items():
            if name.startswith(f"{theirs.id}:"):
                route.counted[name] = quantity

    # -------------------------------------------------------------------------------------------- asking for all

    def _resync(self) -> None:
        """Asks for open orders and fills, as after any time in which messages may have been lost."""
        open_orders = self._trading.open_orders()
        seen = {one.id for one in open_orders}
        for one in open_orders:
            route = self._known(one)
            if route is not None:
                route.saw(one)
        for route in self._ours.routes.values():
            there = route.theirs
            lost = there is None or (there.stands.is_open and there.id not in seen)
            if lost and (route.works or there is not None or not route.is_over) and not self._is_held(route):
                self._look(route)
            if there is not None and there.stands.is_open and not there.stands.is_pending:
                route.asked = None
        for group in self._ours.groups.values():
            group.asked_to_enter = False
        self._fetch_fills()
        for order in list(self._ours.unfinished.values()):
            why = self._bookkeeper.finish(order)
            self._alarm.refused(order.symbol, f"{order.client_order_id} cannot be booked", why)
        self._dirty.update(self._ours.routes)
        self._ours.forget(time.time_ns())

    def _is_held(self, route: Route) -> bool:
        """Whether it is held there as before: Alpaca does not list such orders among the open ones."""
        there = route.theirs
        now = None if there is None or there.status != "held" else self._trading.find(there.id)
        if now is None or not now.stands.is_open:
            return False
        route.saw(now)
        return True

    def _look(self, route: Route) -> None:
        """Finds the orders there that were entered for ours, whatever became of them."""
        found = finding.find(self._trading, route)
        for one in found:
            self._claim(route, one)
        finding.see(route, found)

    def _fetch_fills(self) -> None:
        known = [route.order.created_ns for route in self._ours.routes.values()]
        if not known:
            return
        fills = self._trading.fills(self._since_ns or min(known) - OVERLAP_NS)
        for fill in fills:
            route = self._whose(fill)
            if route is not None and route.is_new(fill) and fill.order_id not in self._corrected:
                self._book(route, fill)
        if fills:
            self._since_ns = max(self._since_ns, fills[-1].ts_ns - OVERLAP_NS)

    def _whose(self, fill: TheirFill) -> Route | None:
        if fill.order_id not in self._by_their_id and fill.order_id not in self._foreign:
            found = self._trading.find(fill.order_id)
            route = None if found is None else self._known(found)
            if found is None or route is None:
                self._foreign.add(fill.order_id)
                return None
            route.saw(found)
        return self._by_their_id.get(fill.order_id)

    # ------------------------------------------------------------------------------------------------- what to do

    def _step(self, route: Route) -> None:
        """Does what is to be done, until there is nothing, or an answer has to come first."""
        if route.group is not None:
            self._gather(route.group)
        for _ in range(4):
            action = route.next()
            if action is None or not self._do(route, action):
                return

    def _gather(self, group: Group) -> None:
        """Sees to it that the list is known whole, and that its exits enter where the entry was canceled with a part
        filled: in an auction that goes on nothing else has them enter."""
        first = group.legs[0].order
        if not group.is_complete and group.begins and len(group.legs) > 1:
            third = self._client.status(first.account, order_id=group.third_id)
            group.is_complete = third is None or third.list_id != group.list_id
        if group.waits_in_vain and not group.asked_to_enter:
            phase = SetPhase(symbol=first.symbol, phase=Phase.OPENING_AUCTION.wire, venue=self._venue)
            why = refused(self._client.administer(phase))
            group.asked_to_enter = why is None
            if why is not None:
                log.info("the exits of order %s do not enter yet: %s", first.order_id, why)

    def _do(self, route: Route, action: routing.Action) -> bool:
        """Whether to look at once what comes next."""
        match action:
            case routing.Submit():
                self._submit(route, action)
                return True
            case routing.Change():
                self._change(route, action)
                return True
            case routing.TakeBack():
                self._take_back(route, action)
                return False
            case routing.End():
                self._end(route, action)
                return True
            case routing.Restore():
                self._restore(route, action)
                return False
            case routing.Look():
                self._fetch_fills()
                if route.misses_fills:
                    self._resync_at = min(self._resync_at, time.monotonic() + AGAIN_S)
                    return False
                return True
            case routing.Refresh():
                other = self._ours.routes[action.order_id]
                self._look(other)
                if other.theirs is not None and other.theirs.stands.is_open:
                    self._resync_at = min(self._resync_at, time.monotonic() + AGAIN_S)
                    return False
                return True

    def _submit(self, route: Route, action: routing.Submit) -> None:
        order_id = route.order.order_id
        if order_id in self._uncertain:
            chain = finding.chain_of(self._trading, route, action.name)
            self._uncertain.discard(order_id)
            if chain:
                self._adopt(route, chain[-1])
                return
        self._uncertain.add(order_id)
        try:
            self._adopt(route, self._trading.submit(route.order, action))
        except RefusedError as error:
            chain = finding.chain_of(self._trading, route, action.name) if error.status_code == CONFLICT else []
            if chain:
                self._adopt(route, chain[-1])  # entered before, and the answer was lost
            else:
                route.refused = routing.refusal(error.status_code, str(error))
        self._uncertain.discard(order_id)

    def _adopt(self, route: Route, theirs: TheirOrder) -> None:
        self._claim(route, theirs)
        route.saw(theirs)
        for leg in theirs.legs:
            other = None if route.group is None else route.group.exit_of(leg)
            if other is not None:
                self._claim(other, leg)
                other.saw(leg)
        if route.group is not None and any(leg.works and leg.theirs is None for leg in route.group.legs):
            self._resync_at = 0.0  # Alpaca has named its exits, and not told them

    def _change(self, route: Route, action: routing.Change) -> None:
        route.asked = action
        try:
            whole = route.group is None
            self._adopt(route, self._trading.replace(action.order_id, action.name, action.terms, with_quantity=whole))
        except RefusedError as error:
            log.warning("order %s: Alpaca does not change it: %s", route.order.order_id, error)
            route.asked = None
            route.unchanged = action.terms
            self._look(route)
        except AwayError:
            route.asked = None
            raise

    def _take_back(self, route: Route, action: routing.TakeBack) -> None:
        for one in [route] if route.group is None else route.group.exits:
            one.enters_again = route.works and one.works
        try:
            self._trading.cancel(action.order_id)
            route.asked = action
        except RefusedError as error:
            log.info("order %s: Alpaca does not cancel it: %s", route.order.order_id, error)
            self._look(route)

    def _end(self, route: Route, action: routing.End) -> None:
        order = route.order
        reason = None if action.reason is Reason.NONE else action.reason.wire
        command = VenueEnd(
            order_id=order.order_id, outcome=action.outcome, reason=reason, field=action.field, text=action.text[:200]
        )
        reply = self._client.administer(command)
        self._alarm.refused(order.symbol, f"order {order.order_id} cannot be ended here", refused(reply))
        log.warning("order %s of %s: %s", order.order_id, order.account, action.text)
        status = OrderStatus.EXPIRED if action.outcome == OrderStatus.EXPIRED.wire else OrderStatus.CANCELED
        route.order = msgspec.structs.replace(order, status=status.wire)

    def _restore(self, route: Route, action: routing.Restore) -> None:
        """Puts our order back to what Alpaca goes on with."""
        order, terms = route.order, action.terms
        is_stop = order.order_type in routing.STOPS
        command = Replace(
            account=order.account,
            symbol=order.symbol,
            order_id=order.order_id,
            quantity=terms.quantity if route.group is None else None,
            limit_price=terms.limit_price,
            stop_price=terms.stop_price if is_stop else None,
        )
        (reply,) = self._client.submit([command])
        route.unchanged = None
        if reply.reason is not None:
            why = reply.text or reply.reason
            text = f"order {order.order_id}: Alpaca would not change it, and here it is not changed back: {why}"
            self._alarm.say(reconciliation.Difference(order.symbol, text))
            return
        route.order = msgspec.structs.replace(
            order,
            quantity=f"{terms.quantity:f}" if route.group is None else order.quantity,
            limit_price=None if terms.limit_price is None else f"{terms.limit_price:f}",
            stop_price=order.stop_price if terms.stop_price is None else f"{terms.stop_price:f}",
        )

    def _book(self, route: Route, fill: TheirFill) -> None:
        """A fill of theirs becomes one of ours, once: the engine knows by the order's own quantity what it has."""
        if fill.name in self._ours.booked:
            route.counted[fill.name] = fill.quantity
            return
        why = self._bookkeeper.fill(route.order, fill, route.total + fill.quantity)
        if why is not None:
            text = f"fill {fill.name} of order {route.order.order_id} cannot be booked: {why}"
            self._alarm.say(reconciliation.Difference(route.order.symbol, text))
            return
        route.count(fill)
        self._executions[fill.execution_id] = Execution(fill.execution_id, fill.quantity, fill.price)
        metrics.VENUE_FILLS.labels(self._venue).inc()

    # ------------------------------------------------------------------------------------------------ corrections

    def _correct(self, route: Route, theirs: TheirOrder, said: Correction, *, busted: bool) -> None:
        """A fill is taken back or changed there: what makes that good is traded here. An order that still works there
        is canceled, and what is left entered anew, since its numbers are not those of its fills any more."""
        self._fetch_fills()  # what is taken back has to be there
        before = Execution(said.previous_id, said.quantity, said.price) if busted else self._execution(theirs, said)
        if before is None:
            return
        after = None if busted else Execution(said.execution_id, said.quantity, said.price)
        revision = routing.revision_of(theirs.name, route.order)
        assert revision is not None
        self._corrected.add(theirs.id)
        route.corrected.add(revision)
        order = route.order
        for booking in corrections.bookings(order.order_id, revision, theirs.side, before, after):
            what = f"order {order.order_id}: {booking.name} cannot be booked"
            if self._alarm.refused(order.symbol, what, self._bookkeeper.correction(order, booking)):
                break
        if after is not None:
            self._executions[after.id] = after
        if route.works and route.theirs is not None and route.theirs.id == theirs.id and theirs.stands.is_open:
            self._take_back(route, routing.TakeBack(theirs.id))
            if route.group is not None:  # which of its numbers would hold for what is left is not documented
                for leg in route.group.legs:
                    leg.enters_again = False
        self._dirty.add(order.order_id)

    def _execution(self, theirs: TheirOrder, said: Correction) -> Execution | None:
        """The fill that is changed, as it stood before; None, and an alert, where nobody knows."""
        if said.previous_id not in self._executions:
            for fill in self._trading.fills(theirs.submitted_ns - OVERLAP_NS):
                self._executions.setdefault(fill.execution_id, Execution(fill.execution_id, fill.quantity, fill.price))
        found = self._executions.get(said.previous_id)
        if found is None:
            text = f"order {theirs.id}: fill {said.previous_id}, which was changed there, is not known here, and stays"
            self._alarm.say(reconciliation.Difference(theirs.symbol, text))
        return found

    # --------------------------------------------------------------------------------------------- reconciliation

    def _reconcile(self) -> None:
        compared = reconciliation.compare(
            reconciliation.books(self._ours.deposits, held(self._client, self._venue)),
            self._ours.routes.values(),
            self._trading.positions(),
            self._trading.open_orders(),
            self._trading.balance(),
        )
        self._hold_phases()
        certain = self._alarm.weigh(compared.differences)
        self.compared = compared._replace(differences=certain)
        metrics.VENUE_DIFFERENCES.labels(self._venue).set(len(certain))
        metrics.VENUE_ORDERS.labels(self._venue).set(compared.orders)
        self._reconcile_at = time.monotonic() + (AGAIN_S if len(compared.differences) > len(certain) else RECONCILE_S)
