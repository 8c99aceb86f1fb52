"""Databento market-by-order files on the engine's book, without matching."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import databento_dbn as dbn_format
import pytest
import zstandard

from engine.words import Side
from streams.backtest import dbn_tape
from streams.backtest.tape import bars_of
from streams.feeds import dbn
from tests.streams.feeds.lobster_day import MARKETDATA, needs

CME = MARKETDATA / "cme_es_mbo"
FILES = [CME / f"esh4-glbx-mdp3-{day}.mbo.dbn.zst" for day in ("20231224", "20231225")]
DOLLAR = 10**9


@pytest.mark.marketdata
@needs(CME)
def test_the_cme_end_state() -> None:
    result = dbn.replay(FILES)
    (future,) = result.instruments
    assert result.ok
    assert future.instrument == "ESH4"
    assert (future.best(Side.BUY) or (0,))[0] == 4810 * DOLLAR
    assert (future.best(Side.SELL) or (0,))[0] == 4810 * DOLLAR + DOLLAR // 4
    assert (future.levels(Side.BUY), future.levels(Side.SELL)) == (922, 565)
    assert future.sequence == 59585
    assert future.unknown == 7
    assert "4810.00" in result.report()
    assert "4810.25" in result.report()


def record(action: str, side: str, order_id: int, price: int, size: int, sequence: int) -> dbn_format.MBOMsg:
    return dbn_format.MBOMsg(
        publisher_id=1,
        instrument_id=7,
        ts_event=1,
        order_id=order_id,
        price=price,
        size=size,
        action=dbn_format.Action.from_str(action),
        side=dbn_format.Side.from_str(side),
        ts_recv=1,
        sequence=sequence,
    )


def write(path: Path, records: list[dbn_format.MBOMsg], schema: str = "mbo") -> Path:
    metadata = dbn_format.Metadata(
        dataset="GLBX.MDP3",
        start=0,
        stype_in=dbn_format.SType.RAW_SYMBOL,
        stype_out=dbn_format.SType.INSTRUMENT_ID,
        schema=dbn_format.Schema.from_str(schema),
        symbols=[],
        partial=[],
        not_found=[],
        mappings=[],
    )
    path.write_bytes(bytes(metadata.encode()) + b"".join(bytes(r) for r in records))
    return path


def test_a_crossed_book_stays_crossed_and_every_action_counts(tmp_path: Path) -> None:
    result = dbn.replay(
        [
            write(
                tmp_path / "a.dbn",
                [
                    record("A", "B", 1, 101 * DOLLAR, 5, 1),
                    record("A", "A", 2, 100 * DOLLAR, 4, 2),
                    record("A", "A", 3, 100 * DOLLAR, 4, 3),
                    record("T", "B", 9, 100 * DOLLAR, 1, 4),
                    record("F", "A", 2, 100 * DOLLAR, 1, 4),
                    record("C", "A", 2, 100 * DOLLAR, 1, 4),
                    record("M", "A", 3, 102 * DOLLAR, 6, 5),
                    record("C", "B", 8, 101 * DOLLAR, 1, 6),
                ],
            )
        ]
    )
    (state,) = result.instruments
    assert state.best(Side.BUY) == (101 * DOLLAR, 5)
    assert state.best(Side.SELL) == (100 * DOLLAR, 3)
    assert state.levels(Side.SELL) == 2
    assert (state.unknown, state.sequence) == (1, 6)
    assert dict(state.records) == {"A": 3, "T": 1, "F": 1, "C": 2, "M": 1}


def test_clear_empties_the_book(tmp_path: Path) -> None:
    records = [record("A", "B", 1, DOLLAR, 5, 1), record("R", "N", 0, dbn_format.UNDEF_PRICE, 0, 2)]
    (state,) = dbn.replay([write(tmp_path / "a.dbn", records)]).instruments
    assert state.best(Side.BUY) is None
    assert "best bid    none" in state.report()


def test_its_trades_are_bars_of_a_backtest(tmp_path: Path) -> None:
    records = [
        *(record("A", "B", 1, 100 * DOLLAR, 5, 1), record("T", "B", 9, 100 * DOLLAR, 2, 2)),
        *(record("T", "A", 9, 99 * DOLLAR, 3, 3), record("T", "N", 9, 99 * DOLLAR + DOLLAR // 4, 1, 4)),
    ]
    tape, ticks = dbn_tape.trades([write(tmp_path / "a.dbn", records)])
    assert ticks == {"7": Decimal("0.25")}
    assert tape["aggressor_side"].to_list() == ["buy", "sell", None]
    (row,) = bars_of(tape, 60)["7"].rows()
    assert row == (60 * 10**9, 100.0, 100.0, 99.0, 99.25, 6.0)
    with pytest.raises(dbn.DbnError, match="nothing was traded"):
        dbn_tape.trades([write(tmp_path / "b.dbn", records[:1])])


def test_says_in_one_line_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "text.dbn").write_text("hello")
    (tmp_path / "torn.dbn.zst").write_bytes(zstandard.compress(b"DBN" + b"x" * 100)[:20])
    cases = {
        tmp_path / "nowhere.dbn": "No such file",
        tmp_path / "text.dbn": "not a DBN file",
        tmp_path / "torn.dbn.zst": "not a readable DBN file",
        write(tmp_path / "empty.dbn", []): "no order in it",
        write(tmp_path / "other.dbn", [], schema="trades"): "its schema is trades",
    }
    for path, said in cases.items():
        with pytest.raises(dbn.DbnError, match=said) as error:
            dbn.replay([path])
        assert "\n" not in str(error.value)
