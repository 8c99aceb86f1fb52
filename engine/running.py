"""Commands in order, each in steps. A step writes no more than `ROOM` reports; where the room runs out, `run` returns
in the middle of a command and goes on when it is called again with more."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine import book, clients, ledger
from engine.auction import start_uncross, uncross
from engine.changes import cancel, replace
from engine.checks import check_post_only
from engine.codes import (
    ACCEPTED,
    CANCEL,
    CANCEL_ALL,
    CLOSED,
    CLOSING_AUCTION,
    CONTINUOUS,
    EXEC_CANCELED,
    EXEC_TRIGGERED,
    F_TYPE,
    FLAG_LIST,
    HALT,
    HALTED,
    INVALID_FIELD,
    KILL,
    NEW,
    NONE,
    OPENING_AUCTION,
    REFUSAL,
    REJECTED,
    REPLACE,
    REPORT_WORDS,
    RESUME,
    SET_PHASE,
    SPLIT,
    STATUS_NEW,
    TIMER,
)
from engine.endings import child_rate, end_order
from engine.entering import enter, new_order, rest_in_auction
from engine.jit import COMPILED, as_words, compiled, entry, merged, opener
from engine.layout import REPORT
from engine.lists import new_list
from engine.lookahead import look_ahead
from engine.matching import end_round, match, settle, start_match
from engine.orders import CHECKED, COUNTED, NOWHERE, RELEASED
from engine.reports import keep_first, limit_of, reply_bare, reply_order, report_order
from engine.risk import check_position, check_power, count_in, count_out, opening_lots
from engine.state import (
    AFFECTED,
    CLIENT_RECORD,
    DRIVE,
    FINISH,
    FIRST,
    FOUND,
    IDLE,
    KEYS,
    LAST,
    LEFTOVERS,
    LEGS,
    MATCH,
    MATCHES,
    NEW_PHASE,
    NEXT_LEG,
    NOW,
    PHASE_ENTRY,
    ROOM,
    ROW,
    SECOND,
    STEP,
    SWEEP,
    UNCROSS,
    WORK,
    Batch,
    Engine,
    Handed,
    Output,
)
from engine.stops import deactivate, observe
from engine.sweeps import (
    cancel_all,
    cancel_split,
    find_auction_orders,
    find_leftovers,
    find_parked,
    kill,
    next_expiry,
    sweep,
    sweep_leftovers,
    timer,
)

# ---------------------------------------------------------------------------------------------- activated orders


@compiled
def check_child(engine: Engine, slot: int) -> int:
    """Whether a released child may enter now (9, 11e, 11f); it is counted and reserved for again if so. A refusal,
    or 0."""
    orders = engine.books.orders
    instrument = np.int64(orders["instrument"][slot])
    account = np.int64(orders["account"][slot])
    side = np.int64(orders["side"][slot])
    flags = np.int64(orders["flags"][slot])
    leaves = orders["leaves"][slot]
    refused = check_post_only(engine, instrument, side, flags, limit_of(engine, slot))
    if refused != 0:
        return refused
    if orders["traits"][slot] & COUNTED:
        count_out(engine, slot)
    refused = check_position(engine, instrument, account, side, flags, leaves)
    if refused != 0:
        return refused
    opening = opening_lots(engine, instrument, account, side, flags, leaves)
    rate = child_rate(engine, slot)
    refused = check_power(engine, account, opening, rate)
    if refused == 0:
        count_in(engine, slot, opening, rate)
    return refused


@compiled
def drive_one(engine: Engine, batch: Batch, slot: int, out: Output, n: int) -> int:
    """The first activated order enters: a child that was released, or a stop that was triggered. Returns the next
    report's number."""
    orders = engine.books.orders
    released = orders["traits"][slot] & RELEASED
    if released and orders["traits"][slot] & CHECKED:
        refused = check_child(engine, slot)
        if refused != 0:
            return end_order(engine, batch, slot, out, n, EXEC_CANCELED, refused & ((1 << REFUSAL) - 1), False)
    deactivate(engine, slot)
    orders["place"][slot] = NOWHERE
    orders["traits"][slot] &= np.uint8(255 - RELEASED - CHECKED)
    report_order(engine, batch, slot, out, n, EXEC_TRIGGERED, STATUS_NEW, NONE)
    n += 1
    if enter(engine, slot):
        engine.work[STEP] = MATCH
        return start_match(engine, batch, slot, out, n)
    return n


@merged
def drive(engine: Engine, batch: Batch, out: Output, n: int) -> int:
    """One activated order of the instruments that are to be driven enters; where there is none, the command is done.
    Returns the next report's number."""
    work = engine.work
    instruments = engine.books.instruments
    while True:
        instrument = work[NOW]
        slot = np.int64(instruments["activation_head"][instrument])
        if slot != 0 and instruments["phase"][instrument] == CONTINUOUS:
            return drive_one(engine, batch, slot, out, n)
        if instrument >= work[LAST]:
            break
        work[NOW] = instrument + 1
    work[STEP] = FINISH
    return n


# --------------------------------------------------------------------------------------------------------- phases


@compiled
def set_phase(engine: Engine, batch: Batch, i: int) -> None:
    """Begins a phase: `quantity` of the record is the phase, `expires_ns` the end of the day (0: as it was)."""
    work = engine.work
    instruments = engine.books.instruments
    instrument = np.int64(batch.commands["instrument"][i])
    if batch.commands["expires_ns"][i] > 0:
        instruments["day_ends_ns"][instrument] = batch.commands["expires_ns"][i]
        next_expiry(engine)
    phase = instruments["phase"][instrument]
    work[NOW] = instrument
    work[LAST] = instrument
    work[NEW_PHASE] = batch.commands["quantity"][i]
    if phase == work[NEW_PHASE]:
        work[STEP] = FINISH
    elif phase == OPENING_AUCTION or phase == CLOSING_AUCTION:
        work[STEP] = UNCROSS
        start_uncross(engine, instrument)
    else:
        work[STEP] = PHASE_ENTRY


@compiled
def enter_phase(engine: Engine) -> None:
    """The new phase is set, and what it begins with happens."""
    work = engine.work
    instrument = work[NOW]
    phase = work[NEW_PHASE]
    engine.books.instruments["phase"][instrument] = phase
    work[STEP] = DRIVE
    if phase == CLOSED:
        find_auction_orders(engine, instrument)
        sweep_leftovers(engine, DRIVE)
    elif phase == CLOSING_AUCTION:
        find_parked(engine, instrument)
        for k in range(work[FOUND]):
            rest_in_auction(engine, np.int64(engine.scratch[k]))
    elif phase == CONTINUOUS:
        observe_last(engine, instrument)


@compiled
def observe_last(engine: Engine, instrument: int) -> None:
    last = engine.books.instruments["last_price"][instrument]
    if last > 0:
        observe(engine, instrument, last)


@compiled
def halt(engine: Engine, batch: Batch, i: int) -> None:
    instruments = engine.books.instruments
    instrument = np.int64(batch.commands["instrument"][i])
    if instruments["phase"][instrument] != HALTED:
        instruments["phase_before_halt"][instrument] = instruments["phase"][instrument]
        instruments["phase"][instrument] = HALTED
    engine.work[STEP] = FINISH


@compiled
def resume(engine: Engine, batch: Batch, i: int) -> None:
    instruments = engine.books.instruments
    instrument = np.int64(batch.commands["instrument"][i])
    engine.work[NOW] = instrument
    engine.work[LAST] = instrument
    engine.work[STEP] = DRIVE
    if instruments["phase"][instrument] == HALTED:
        instruments["phase"][instrument] = instruments["phase_before_halt"][instrument]
        if instruments["phase"][instrument] == CONTINUOUS:
            observe_last(engine, instrument)


@merged
def begin_administrative(engine: Engine, batch: Batch, i: int) -> None:
    """The commands that `Core.administer` has looked at; sets the next step."""
    kind = batch.commands["type"][i]
    if kind == SET_PHASE:
        set_phase(engine, batch, i)
    elif kind == HALT:
        halt(engine, batch, i)
    elif kind == RESUME:
        resume(engine, batch, i)
    elif kind == TIMER:
        timer(engine, batch, i)
    elif kind == KILL:
        kill(engine, batch, i)
    elif kind == SPLIT:
        cancel_split(engine, batch, i)


# ------------------------------------------------------------------------------------------------------------ run


@merged
def begin(engine: Engine, batch: Batch, i: int, out: Output, n: int, administrative: bool) -> int:
    """Starts command i, and finishes it where no step follows. Returns the next report's number."""
    work = engine.work
    work[ROW] = i
    work[LEGS] = 1
    work[FIRST] = n
    work[MATCHES] = 0
    work[NEXT_LEG] = 0
    work[AFFECTED] = 0
    kind = batch.commands["type"][i]
    if administrative:
        work[CLIENT_RECORD] = 0
        begin_administrative(engine, batch, i)
        return n
    if kind == NEW:
        if batch.commands["flags"][i] & FLAG_LIST:
            return new_list(engine, batch, i, out, n)
        return new_order(engine, batch, i, out, n)
    if kind == CANCEL:
        return cancel(engine, batch, i, out, n)
    if kind == REPLACE:
        return replace(engine, batch, i, out, n)
    if kind == CANCEL_ALL:
        work[CLIENT_RECORD] = 0
        return cancel_all(engine, batch, i, out, n)
    reply_bare(batch, i, out, REJECTED, INVALID_FIELD, F_TYPE)
    return n


@merged
def answer(engine: Engine, batch: Batch, i: int, out: Output) -> None:
    """Writes the replies of the command, or list of commands, that ends here."""
    work = engine.work
    if work[CLIENT_RECORD] == 0:
        reply_bare(batch, i, out, ACCEPTED, NONE, 0)
        out.replies["affected"][i] = work[AFFECTED]
        return
    for k in range(work[LEGS]):
        client = work[CLIENT_RECORD + k]
        reply_order(engine, batch, i + k, client, out, ACCEPTED, NONE, 0)
        if batch.commands["type"][i + k] == NEW:
            keep_first(engine, i + k, client, out)


@merged
def enter_second(engine: Engine, batch: Batch, out: Output, n: int) -> int:
    """The second leg of an OCO list enters, if the first has left anything of it. Returns the next report's number."""
    work = engine.work
    slot = work[NEXT_LEG]
    work[NEXT_LEG] = 0
    work[STEP] = DRIVE
    if slot != 0 and engine.books.orders["leaves"][slot] != 0 and enter(engine, slot):
        work[STEP] = MATCH
        return start_match(engine, batch, slot, out, n)
    return n


@merged
def auction_step(engine: Engine, batch: Batch, out: Output, n: int) -> int:
    """The end of an auction: its trades, then what may not stay. Returns the next report's number."""
    work = engine.work
    if work[STEP] == UNCROSS:
        n = uncross(engine, batch, out, n)
        if n <= out.reports.shape[0] - ROOM:
            work[STEP] = LEFTOVERS
        return n
    instrument = work[NOW]
    find_leftovers(engine, instrument, np.int64(engine.books.instruments["phase"][instrument]))
    sweep_leftovers(engine, PHASE_ENTRY)
    return n


@merged
def run(engine: Engine, batch: Batch, start: int, out: Output, administrative: bool) -> int:
    """Applies commands from `start` on, as long as there is room for their reports; returns the first one that is not
    done, which may be half done."""
    work = engine.work
    n = out.written[0]
    i = start
    count = batch.commands.shape[0]
    room = out.reports.shape[0] - ROOM
    while n <= room:
        step = work[STEP]
        if step == IDLE:
            if i >= count:
                break
            look_ahead(engine, batch, i, out)
            n = begin(engine, batch, i, out, n, administrative)
            if work[STEP] == IDLE:
                i += work[LEGS]
        elif step == MATCH:
            n = match(engine, batch, out, n)
            if n <= room:
                end_round(engine, work[NOW])
                n = settle(engine, batch, out, n)
                work[STEP] = SECOND if work[NEXT_LEG] != 0 else DRIVE
        elif step == DRIVE:
            n = drive(engine, batch, out, n)
        elif step == FINISH:
            answer(engine, batch, i, out)
            work[STEP] = IDLE
            i += work[LEGS]
        elif step == SWEEP:
            n = sweep(engine, batch, out, n)
        elif step == SECOND:
            n = enter_second(engine, batch, out, n)
        elif step == PHASE_ENTRY:
            enter_phase(engine)
        else:
            n = auction_step(engine, batch, out, n)
    out.written[0] = n
    return i


def _example() -> Handed:
    """Arrays of the kinds that `run_at` is compiled for."""
    reports = np.zeros(0, REPORT)
    engine = Engine(
        book.allocate(1, 1),
        clients.allocate(1),
        ledger.allocate(1, 1),
        np.zeros(WORK, np.int64),
        np.zeros(1, np.uint32),
    )
    return Handed(
        engine, reports, reports.view("<u8").reshape(0, REPORT_WORDS), np.zeros(1, np.int64), np.zeros(KEYS, np.uint64)
    )


if COMPILED:
    open_handed = opener(_example())

    @entry
    def run_at(places: Any, commands: Any, start: int, replies: Any, administrative: bool) -> int:
        """`run`, with the `addresses` of what is `Handed`."""
        handed = open_handed(places)
        out = Output(handed.reports, handed.report_words, replies, handed.written, handed.keys)
        return run(handed.engine, Batch(commands, as_words(commands)), start, out, administrative)
