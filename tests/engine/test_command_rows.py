"""The topic `commands` holds all that was sequenced: what is read back from it is the same, to the last bit."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import order_flow
import pytest
import small_exchange
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine import command_rows
from engine.admission import Admission
from engine.command_records import CommandReporter
from engine.command_rows import CommandError
from engine.core import Core
from engine.layout import COMMAND
from engine.messages import AdministrativeEntry, SequencedCommand
from engine.publication import Publication
from engine.sequencer import apply_frame
from engine.tokens import EVERY_ACCOUNT, Identity
from engine.topics import COMMANDS
from engine.words import CommandType

EPOCH = 3
EVERYBODY = Identity("test", "admin", (EVERY_ACCOUNT,))
"""Whose records the door lets in, unless the core could not live with them."""


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_core_fed_from_the_topic_is_the_one_that_was_fed_by_the_doors(seed: int) -> None:
    """Orders of every kind, lists, administration and odd commands; reports and state are the same."""
    first, second = Core(max_orders=300), Core(max_orders=300)
    publication, admission = Publication(first, epoch=EPOCH), Admission(first)
    values: list[bytes] = []
    reports: list[bytes] = []

    def publish(outputs: Any) -> None:
        values.extend(output.value for output in outputs if output.topic is COMMANDS)

    def administer(seq: int, ts_ns: int, command: Any) -> None:
        entry = AdministrativeEntry(ts_ns=ts_ns, source="system", actor="test", command=command)
        reports.append(first.administer(seq, ts_ns, command).reports.tobytes())
        publish(publication.administrative(seq, entry))

    for seq, command in enumerate(small_exchange.SET_UP, 1):
        administer(seq, seq * 1000, command)
    for batch in order_flow.stream(seed, 3_000, len(small_exchange.SET_UP) + 1):
        if batch.command is not None:
            administer(batch.seq, batch.ts_ns, batch.command)
            continue
        refused = admission.admit(EVERYBODY, batch.records.copy()).refused
        records = batch.records if refused is None else batch.records[refused[:, 0] == 0]
        reports.append(first.apply(records).reports.tobytes())
        publish(publication.commands(records))

    again: list[bytes] = []
    for frame in command_rows.frames(second, values, 64):
        assert frame.epoch == EPOCH
        again.append(apply_frame(second, frame).reports.tobytes())
    assert b"".join(again) == b"".join(reports)
    assert second.state_hash() == first.state_hash()


@pytest.fixture(scope="module")
def core() -> Core:
    made = Core(max_orders=10)
    small_exchange.define(made)
    return made


NUMBERS = st.one_of(st.integers(0, 5), st.integers(-(1 << 63), (1 << 63) - 1))


@st.composite
def any_record(draw: st.DrawFn) -> NDArray[Any]:
    """Whatever a client of the binary door may send; its texts have no spaces, since the door takes none."""
    record = np.zeros(1, COMMAND)
    for name in COMMAND.names or ():
        kind = COMMAND[name]
        if kind.kind == "S":
            record[name] = draw(st.binary(max_size=kind.itemsize).map(lambda text: text.rstrip(b"\0")))
        elif kind.itemsize == 8:
            record[name] = draw(NUMBERS) % (1 << 64) if kind.kind == "u" else draw(NUMBERS)
        else:
            top = 1 << 8 * kind.itemsize - (kind.kind == "i")
            record[name] = draw(st.one_of(st.integers(0, 5), st.integers(0, top - 1)))
    record["type"] = draw(st.integers(1, 4))
    record["source_partition"] = draw(st.integers(-1, 3))
    record["source_offset"] = -1 if record["source_partition"] == -1 else draw(st.integers(0, 99))
    return record


@settings(max_examples=400, deadline=None)
@given(any_record())
def test_any_binary_record_comes_back(core: Core, record: NDArray[Any]) -> None:
    [described] = CommandReporter(core, epoch=EPOCH).records(record)
    [frame] = command_rows.frames(core, [msgspec.json.encode(described)], 10)
    assert frame.records is not None
    assert frame.records.tobytes() == record.tobytes()


def test_only_what_cannot_be_said_in_words_is_carried_as_bytes(core: Core) -> None:
    plain = small_exchange.command(1, CommandType.NEW, account=1, instrument=1, side=1, quantity=5)
    odd = small_exchange.command(1, CommandType.NEW, account=1, instrument=1, side=7, quantity=5)
    reporter = CommandReporter(core)
    assert [one.record is None for one in reporter.records(np.concatenate([plain, odd]))] == [True, False]


@pytest.mark.parametrize(
    ("value", "seq", "complaint"),
    [
        (b"{", 0, "no record of a command"),
        (SequencedCommand(seq=7, ts_ns=1, source="rest", actor="a", type="dance", command={}), 7, "command 7"),
        (
            SequencedCommand(seq=8, ts_ns=1, source="rest", actor="a", type="new", command={"account": "nobody"}),
            8,
            "no account is called nobody",
        ),
        (
            SequencedCommand(
                seq=9, ts_ns=1, source="rest", actor="a", type="new", command={"symbol": "WIDE", "limit_price": "0.3"}
            ),
            9,
            "not a multiple of 0.5",
        ),
    ],
)
def test_a_record_that_no_engine_wrote(core: Core, value: Any, seq: int, complaint: str) -> None:
    data = value if isinstance(value, bytes) else msgspec.json.encode(value)
    with pytest.raises(CommandError, match=complaint) as error:
        list(command_rows.frames(core, [data], 10))
    assert error.value.seq == seq
