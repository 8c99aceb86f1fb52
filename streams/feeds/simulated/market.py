"""A seeded market of several symbols: makers, noise traders and trend traders. Pure and deterministic.

The caller asks for the next event (`next_s`, `step`), sends the instruction that comes of it, if any, and gives back
the engine's answer (`answer`). What the traders know is what anybody could: the best quotes, and the answers to their
own orders. Equal seeds and equal answers give equal orders. docs/market.md describes the model.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Final, NamedTuple

from engine.words import Side
from streams.feeds.instructions import CANCEL, GTC, IOC, NEW, REPLACE, Instruction
from streams.feeds.simulated.arrivals import Agenda, delays
from streams.feeds.simulated.parameters import Excitation, Parameters
from streams.feeds.simulated.state import Answer, Listed, OwnOrder, Quote, SymbolState

BUY: Final = int(Side.BUY)
SELL: Final = int(Side.SELL)
BPS: Final = 1e-4
REFERENCE_RATE: Final = 10.0
"""Commands/s of a symbol at which `Parameters` are stated."""
MOST_PACE: Final = 10.0
LEAST_PACE: Final = 0.3
OPINION_MEMORY: Final = 0.9
"""How much of its last opinion about the fair value a maker keeps at a review."""
PATIENT_SIZE: Final = (-0.2, 0.6)
"""Parameters of the lognormal size of a limit order, in units; then of a trade."""
TRADE_SIZE: Final = (-0.7, 0.8)
SWEEP_GAPS: Final = 4
"""How far a trade that sweeps may reach, in gaps of the makers, for three times the size."""
PACE_S: Final = 120.0
"""Time in which a shortfall of commands against the rate is made good."""
CLOSED_S: Final = 1.0
"""How often a trader looks whether a symbol is traded again."""


class Event(NamedTuple):
    kind: str
    """`trade`, `quote`, `withdraw`, `review`, or one of these with `first_`: nothing set it off."""
    instrument: int
    who: int = -1
    """Account of a trade that goes on or of a maker's review; order number of a withdrawal."""
    side: int = 0


def account_names(parameters: Parameters) -> tuple[str, ...]:
    """By the account numbers that instructions carry."""
    p = parameters
    return (
        *(f"sim-maker-{k + 1}" for k in range(p.makers)),
        *(f"sim-noise-{k + 1}" for k in range(p.noise_traders)),
        *(f"sim-trend-{k + 1}" for k in range(p.trend_traders)),
    )


class Market:
    """The traders of all symbols and what they will do next."""

    def __init__(
        self,
        seed: int,
        instruments: Sequence[Listed],
        rate: float,
        *,
        positions: Mapping[tuple[int, int], int] | None = None,
        parameters: Parameters | None = None,
    ) -> None:
        """`rate`: commands per second over all instruments, held on average.
        `positions`: lots by (account, instrument) that the traders start with."""
        self.parameters = p = parameters or Parameters()
        self.accounts = account_names(p)
        self.positions: dict[tuple[int, int], int] = dict(positions or {})
        self.now_s = 0.0
        self.commands = 0
        self._random = Random(seed)
        self._rate = rate / len(instruments)
        self._impact = p.impact_bps * math.sqrt(REFERENCE_RATE / self._rate)
        self._numbers = 0
        self._agenda: Agenda[Event] = Agenda()
        self._states = [SymbolState(listed, p.makers) for listed in instruments]
        self._sent: list[float] = [0.0] * len(instruments)
        self._closed_at: dict[int, float] = {}
        """Instruments that are not traded now → since when."""
        self._placing: OwnOrder | None = None
        for instrument in range(len(instruments)):
            for maker in range(p.makers):
                self._agenda.put(0.0, Event("review", instrument, maker))
            for kind in ("trade", "quote", "review"):
                self._put_first(kind, instrument)

    @property
    def next_s(self) -> float:
        """When the next event is due, in seconds since the market began."""
        return self._agenda.next_s

    def step(self, look: Callable[[int], Quote | None]) -> Instruction | None:
        """Lets the next event happen; `look` gives an instrument's quote, None while it is not traded: its events wait.
        The instruction must be answered before the next step."""
        self.now_s, event = self._agenda.pop()
        state = self._states[event.instrument]
        quote = look(event.instrument)
        if quote is None:
            self._closed_at.setdefault(event.instrument, self.now_s)
            self._agenda.put(self.now_s + CLOSED_S, event)
            return None
        closed_at = self._closed_at.pop(event.instrument, None)
        if closed_at is not None:  # what could not be sent then is not made good
            self._sent[event.instrument] += self._rate * (self.now_s - closed_at)
        self._advance(state, quote)
        instruction: Instruction | None
        match event.kind:
            case "first_trade":
                self._put_first("trade", event.instrument)
                instruction = self._trade(state, event, quote)
            case "trade":
                instruction = self._trade(state, event, quote)
            case "first_quote":
                self._put_first("quote", event.instrument)
                instruction = self._quote(state, event, quote)
            case "quote":
                instruction = self._quote(state, event, quote)
            case "withdraw":
                instruction = self._withdraw(state, event)
            case "first_review":
                self._put_first("review", event.instrument)
                maker = self._random.randrange(self.parameters.makers)
                instruction = self._review(state, event._replace(who=maker), quote)
            case _:
                instruction = self._review(state, event, quote)
        if instruction is not None:
            self.commands += 1
            self._sent[event.instrument] += 1
        return instruction

    def answer(self, instruction: Instruction, answer: Answer) -> None:
        """Takes note of what became of the instruction of the last step."""
        state = self._states[instruction.instrument]
        if instruction.type == NEW and instruction.time_in_force == IOC:
            self._book_fill(instruction.account, instruction.instrument, instruction.side, answer.filled)
            return
        order = self._placing if instruction.type == NEW else self._find(state, instruction)
        if order is None:
            return
        if not answer.known or (instruction.type == NEW and not answer.accepted):
            self._forget(state, order.number)
            return
        self._book_fill(order.account, instruction.instrument, order.side, answer.filled - order.filled)
        order.filled = answer.filled
        if instruction.type == REPLACE and answer.accepted:
            order.price, order.quantity = instruction.price, instruction.quantity
        if answer.leaves == 0:
            self._forget(state, order.number)

    # -------------------------------------------------------------------------------------------------- time

    def _put_first(self, kind: str, instrument: int) -> None:
        """The next event of this kind that nothing sets off. Their rate follows what is missing from the market's."""
        p = self.parameters
        share = {"trade": p.immigrant_trades, "quote": p.immigrant_quotes, "review": p.immigrant_reviews}[kind]
        missing = self._rate * self.now_s - self._sent[instrument]
        pace = min(MOST_PACE, max(LEAST_PACE, 1.0 + missing / (self._rate * PACE_S)))
        wait_s = self._random.expovariate(share * self._rate * pace)
        self._agenda.put(self.now_s + wait_s, Event(f"first_{kind}", instrument))

    def _set_off(self, excitation: Excitation, event: Event) -> None:
        for delay_s in delays(self._random, excitation):
            self._agenda.put(self.now_s + delay_s, event)

    def _set_off_reviews(self, excitation: Excitation, instrument: int) -> None:
        for delay_s in delays(self._random, excitation):
            maker = self._random.randrange(self.parameters.makers)
            self._agenda.put(self.now_s + delay_s, Event("review", instrument, maker))

    def _advance(self, state: SymbolState, quote: Quote) -> None:
        """Moves the fair value and the average price on to now."""
        p = self.parameters
        elapsed_s = self.now_s - state.at_s
        state.at_s = self.now_s
        noise = self._random.gauss(0.0, p.volatility_bps * BPS * math.sqrt(elapsed_s))
        pull = (state.listed.start / state.fair - 1.0) * min(1.0, elapsed_s / p.reversion_s)
        state.fair *= math.exp(noise) * (1.0 + pull)
        if quote.bid and quote.ask:
            weight = math.exp(-elapsed_s / p.trend_s)
            state.average = weight * state.average + (1 - weight) * (quote.bid + quote.ask) / 2

    # ------------------------------------------------------------------------------------------------- traders

    def _trade(self, state: SymbolState, event: Event, quote: Quote) -> Instruction | None:
        """An aggressive order at the best price of the other side."""
        p, random = self.parameters, self._random
        account, side = event.who, event.side
        if account < 0:
            account, side = self._start_trade(state, event.instrument, quote)
        best, lots = (quote.ask, quote.ask_lots) if side == BUY else (quote.bid, quote.bid_lots)
        sign = 1 if side == BUY else -1
        limit = p.inventory_units * state.listed.unit
        if best == 0 or sign * self.positions.get((account, event.instrument), 0) >= limit:
            return None
        wanted = max(1, round(state.listed.unit * random.lognormvariate(*TRADE_SIZE)))
        price = best
        if random.random() < p.sweep_share:
            price += sign * max(1, round(SWEEP_GAPS * p.maker_gap_bps * BPS * best))
            wanted *= 3
        else:
            wanted = min(wanted, lots)
        state.fair *= 1.0 + sign * self._impact * BPS
        self._set_off(p.trade_trade, Event("trade", event.instrument, account, side))
        self._set_off(p.trade_quote, Event("quote", event.instrument))
        self._set_off_reviews(p.trade_review, event.instrument)
        return self._new(event.instrument, account, side, self._in_band(state, price), wanted, IOC)

    def _start_trade(self, state: SymbolState, instrument: int, quote: Quote) -> tuple[int, int]:
        """Who trades on which side, where no trade went before."""
        p, random = self.parameters, self._random
        mid = (quote.bid + quote.ask) / 2 if quote.bid and quote.ask else state.fair
        if random.random() < p.trend_share:
            account = p.makers + p.noise_traders + random.randrange(p.trend_traders)
            side = BUY if mid >= state.average else SELL
            held = self.positions.get((account, instrument), 0) * (1 if side == BUY else -1)
            if held >= p.inventory_units * state.listed.unit:
                side = SELL if side == BUY else BUY
            return account, side
        account = p.makers + random.randrange(p.noise_traders)
        return account, self._noise_side(state, account, instrument, mid)

    def _noise_side(self, state: SymbolState, account: int, instrument: int, mid: float) -> int:
        """Mostly a coin's; what looks cheap is bought more often, and so is what the account is short of."""
        p = self.parameters
        half_spread = p.maker_half_spread_bps * BPS * mid
        value = p.value_weight * max(-1.0, min(1.0, (state.fair - mid) / half_spread))
        held = self.positions.get((account, instrument), 0) / (p.inventory_units * state.listed.unit)
        lean = max(-0.9, min(0.9, value - held))
        return BUY if self._random.random() < (1.0 + lean) / 2 else SELL

    def _quote(self, state: SymbolState, event: Event, quote: Quote) -> Instruction | None:
        """A noise trader's limit order, inside the spread or behind the best."""
        p, random = self.parameters, self._random
        account = p.makers + random.randrange(p.noise_traders)
        mid = (quote.bid + quote.ask) / 2 if quote.bid and quote.ask else state.fair
        side = self._noise_side(state, account, event.instrument, mid)
        sign = 1 if side == BUY else -1
        half_spread = p.maker_half_spread_bps * BPS * mid
        best = (quote.bid if side == BUY else quote.ask) or round(mid - sign * half_spread)
        other = quote.ask if side == BUY else quote.bid
        if random.random() < p.inside_share:
            price = round(state.fair - sign * half_spread * random.uniform(p.inside_nearest, 1.0))
        else:
            price = best - sign * round(random.expovariate(1 / (p.behind_bps * BPS * mid)))
        if other and sign * price >= sign * other:
            price = other - sign
        lots = max(1, round(state.listed.unit * random.lognormvariate(*PATIENT_SIZE)))
        instruction = self._new(event.instrument, account, side, self._in_band(state, price), lots, GTC)
        state.orders[instruction.number] = self._placing = OwnOrder(
            instruction.number, account, side, instruction.price, lots
        )
        slow = random.random() < p.lifetime_slow_share
        life_s = random.expovariate(1 / (p.lifetime_slow_s if slow else p.lifetime_fast_s))
        self._agenda.put(self.now_s + life_s, Event("withdraw", event.instrument, instruction.number))
        self._set_off(p.quote_quote, Event("quote", event.instrument))
        self._set_off_reviews(p.quote_review, event.instrument)
        return instruction

    def _withdraw(self, state: SymbolState, event: Event) -> Instruction | None:
        order = state.orders.get(event.who)
        if order is None:
            return None
        self._set_off(self.parameters.withdraw_quote, Event("quote", event.instrument))
        return Instruction(CANCEL, order.number, order.account, event.instrument, order.side, 0, 0)

    def _review(self, state: SymbolState, event: Event, quote: Quote) -> Instruction | None:
        """A maker corrects the quote of its ladder that is furthest from where it should be, then looks again."""
        p, random, maker = self.parameters, self._random, event.who
        ladder = state.ladders[maker]
        news_bps = random.gauss(0.0, math.sqrt(1 - OPINION_MEMORY**2) * p.maker_view_bps)
        state.opinions[maker] = OPINION_MEMORY * state.opinions[maker] + news_bps
        held = self.positions.get((maker, event.instrument), 0) / (p.inventory_units * state.listed.unit)
        lean_bps = state.opinions[maker] - p.maker_skew_bps * max(-1.5, min(1.5, held))
        center = state.fair * (1.0 + lean_bps * BPS)
        worst, chosen = 0.0, None
        for side in (BUY, SELL):
            sign = 1 if side == BUY else -1
            best, other = (quote.bid, quote.ask) if side == BUY else (quote.ask, quote.bid)
            quoting = sign * held < 1.0
            for level in range(p.maker_levels):
                distance = (p.maker_half_spread_bps + level * p.maker_gap_bps) * BPS * center
                target = math.floor(center - distance) if side == BUY else math.ceil(center + distance)
                if other and sign * target >= sign * other:
                    target = other - sign
                target = self._in_band(state, target)
                order = ladder.get((side, level))
                if order is None:
                    off = math.inf if quoting else 0.0
                elif not quoting or best == 0 or sign * order.price > sign * best:
                    off = math.inf  # not wanted, or no longer on the book: to change it tells what became of it
                else:
                    off = abs(order.price - target) - max(0.5, p.maker_tolerance_bps * BPS * center)
                if off > worst:
                    worst, chosen = off, (side, level, target, quoting)
        if chosen is None:
            return None
        side, level, target, quoting = chosen
        self._agenda.put(self.now_s + random.expovariate(1 / p.next_quote_s), event._replace(kind="review"))
        self._set_off_reviews(p.review_review, event.instrument)
        lots = max(1, round(state.listed.unit * p.maker_units * (1 + level) * random.uniform(0.5, 1.5)))
        order = ladder.get((side, level))
        if order is None:
            instruction = self._new(event.instrument, maker, side, target, lots, GTC)
            ladder[side, level] = self._placing = OwnOrder(instruction.number, maker, side, target, lots)
            return instruction
        if not quoting:
            return Instruction(CANCEL, order.number, maker, event.instrument, side, 0, 0)
        return Instruction(REPLACE, order.number, maker, event.instrument, side, target, order.filled + lots)

    # --------------------------------------------------------------------------------------------------- orders

    def _new(self, instrument: int, account: int, side: int, price: int, lots: int, time_in_force: int) -> Instruction:
        number = self._numbers
        self._numbers += 1
        return Instruction(NEW, number, account, instrument, side, price, lots, time_in_force)

    def _in_band(self, state: SymbolState, price: int) -> int:
        return max(state.listed.price_min, min(state.listed.price_max, price))

    def _book_fill(self, account: int, instrument: int, side: int, lots: int) -> None:
        if lots:
            key = (account, instrument)
            self.positions[key] = self.positions.get(key, 0) + (lots if side == BUY else -lots)

    def _find(self, state: SymbolState, instruction: Instruction) -> OwnOrder | None:
        if instruction.account < self.parameters.makers:
            for order in state.ladders[instruction.account].values():
                if order.number == instruction.number:
                    return order
        return state.orders.get(instruction.number)

    def _forget(self, state: SymbolState, number: int) -> None:
        state.orders.pop(number, None)
        for ladder in state.ladders:
            for place, order in list(ladder.items()):
                if order.number == number:
                    del ladder[place]
