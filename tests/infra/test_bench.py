"""`hft bench`: every part of it runs, and says whether what it measured was right. How fast it was is nobody's test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from engine.jit import entry
from infra.bench import book_alone
from infra.bench.command import DEFAULT_FOLDER, bench
from infra.bench.commands_of import client_order_ids
from infra.bench.figures import Figure
from infra.bench.figures import Result as Figures
from infra.bench.id_index import allocate, delete, find, insert
from infra.bench.stream import RECORD, Expected, Stream
from infra.bench.topic_orders import orders

BUY, SELL = 0, 1
NEW, CANCEL, REPLACE = 1, 2, 3


@entry
def insert_now(table: Any, shift: Any, order_id: Any, slot: int) -> None:
    insert(table, shift, order_id, slot)


@entry
def delete_now(table: Any, shift: Any, order_id: Any, slot: int) -> None:
    delete(table, shift, order_id, slot)


@entry
def find_now(table: Any, shift: Any, orders: Any, order_id: Any) -> Any:
    return find(table, shift, orders, order_id)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(bench, arguments)


def stream(*rows: tuple[int, int, int, int, int], expected: Expected) -> Stream:
    """(operation, id, side, price, quantity); nothing rests before."""
    records = np.zeros(len(rows), RECORD)
    for place, (operation, number, side, price, quantity) in enumerate(rows):
        records[place] = (operation, side, 0, price, quantity, 0, number)
    return Stream("small", Path(), records, 0, max(row[1] for row in rows), expected)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param(
            [(NEW, 1, SELL, 101, 5), (NEW, 2, SELL, 100, 5), (NEW, 3, BUY, 101, 7)],
            Expected(trades=2, qty=7, resting=1),
            id="the better price first",
        ),
        pytest.param(
            [(NEW, 1, SELL, 100, 5), (NEW, 2, SELL, 100, 5), (NEW, 3, BUY, 100, 5), (CANCEL, 1, SELL, 0, 0)],
            Expected(trades=1, qty=5, resting=1),
            id="then the older order: it is gone when it is canceled",
        ),
        pytest.param(
            [(NEW, 1, SELL, 100, 5), (NEW, 2, SELL, 100, 5), (REPLACE, 1, SELL, 100, 3), (NEW, 3, BUY, 100, 4)],
            Expected(trades=2, qty=4, resting=1),
            id="a pure decrease keeps its place",
        ),
        pytest.param(
            [(NEW, 1, SELL, 100, 5), (NEW, 2, BUY, 90, 5), (REPLACE, 2, BUY, 100, 6)],
            Expected(trades=1, qty=5, resting=1),
            id="a replace may trade, and its rest stays",
        ),
    ],
)
def test_the_book_alone_matches_by_price_and_time(
    rows: list[tuple[int, int, int, int, int]], expected: Expected
) -> None:
    assert book_alone.speed(stream(*rows, expected=expected)).made == expected


def test_ids_are_found_until_they_are_deleted() -> None:
    random = np.random.default_rng(1)
    table = allocate(1)
    shift = np.uint64(64 - (len(table).bit_length() - 1))
    kept: dict[int, int] = {}
    known = np.zeros(60_001, [("order_id", "<u8")])
    for slot in range(1, 60_001):
        number = int(random.integers(1, 1 << 62))
        known["order_id"][slot] = number
        insert_now(table, shift, np.uint64(number), slot)
        kept[number] = slot
        if slot % 2 == 0:
            gone = int(known["order_id"][int(random.integers(1, slot + 1))])
            if gone in kept:
                delete_now(table, shift, np.uint64(gone), kept.pop(gone))
    assert np.count_nonzero(table) == len(kept)
    for slot in range(1, 60_001):
        number = int(known["order_id"][slot])
        assert find_now(table, shift, known, np.uint64(number)) == kept.get(number, 0)


def test_client_order_ids_have_20_characters() -> None:
    assert client_order_ids(np.array([7, 123_456])).tolist() == [b"c" + b"0" * 18 + b"7", b"c" + b"0" * 13 + b"123456"]


def test_the_topics_orders_are_the_same_each_time() -> None:
    first, again = list(orders(500, 10)), list(orders(500, 10))
    assert first == again
    kinds = [json.loads(value)["type"] for _, value in first]
    assert {"new", "cancel"} == set(kinds)
    names = [json.loads(value)["client_order_id"] for _, value in first if '"type":"new"' in value]
    assert len(names) == len(set(names))


def test_a_wrong_result_is_said(tmp_path: Path) -> None:
    result = Figures("Title", {"size": 3}, [Figure("trades", False), Figure("speed", 12_345.6, "/s")])
    assert not result.ok
    assert "WRONG" in result.text
    assert "12,346 /s" in result.text
    result.write(tmp_path / "found.json")
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["figures"]["speed"] == {"value": 12345.6, "unit": "/s"}
    assert {"processor", "cores", "python", "numba"} <= found["conditions"].keys()


def test_without_the_bench_folder_there_is_nothing_to_compare_with(tmp_path: Path) -> None:
    answer = run("engine", "--bench-folder", str(tmp_path))
    assert answer.exit_code == 2
    assert answer.output == f"hft: orderflow.py is not in {tmp_path}: name its folder with --bench-folder\n"


@pytest.mark.long
@pytest.mark.skipif(not DEFAULT_FOLDER.is_dir(), reason="the common stream's generator is not there")
@pytest.mark.parametrize("by", ["--by-order-id", None])
def test_the_engine_agrees_with_the_stream(tmp_path: Path, by: str | None) -> None:
    found = tmp_path / "found.json"
    arguments = ["engine", "--operations", "5000", "--pairs", "1", "--max-orders", "1000", "--json", str(found)]
    answer = run(*arguments, *([by] if by else []))
    assert answer.exit_code == 0, answer.output
    agreed = {
        name: item["value"] for name, item in json.loads(found.read_text())["figures"].items() if "resting" in name
    }
    assert len(agreed) == 4
    assert all(value is True for value in agreed.values()), agreed


def test_a_full_engine_refuses() -> None:
    answer = run("memory", "--orders", "1000")
    assert answer.exit_code == 0, answer.output
    assert answer.output.count("exact") == 2


def test_the_engine_starts() -> None:
    answer = run("start", "--times", "1")
    assert answer.exit_code == 0, answer.output
    assert "from the cache to ready: median" in answer.output


def test_the_zeromq_door_is_measured() -> None:
    answer = run("zeromq", "--seconds", "0.3", "--frame", "64", "--singles", "40", "--sustained", "0")
    assert answer.exit_code == 0, answer.output
    assert "one command at a time over ipc: p99 to the echo's" in answer.output
    assert answer.output.count("exact") == 1


@pytest.mark.bench
def test_publishing_is_measured() -> None:
    answer = run("zeromq", "--seconds", "0.1", "--frame", "64", "--singles", "10", "--sustained", "0.5")
    assert answer.exit_code == 0, answer.output
    assert "sustained, every event published: events" in answer.output


@pytest.mark.bench
def test_kafka_is_measured() -> None:
    answer = run("kafka", "--orders", "500", "--latency-orders", "100", "--rate", "200")
    assert answer.exit_code == 0, answer.output
    assert "order to fill record: p99 to the bare hop's" in answer.output
    assert answer.output.count("exact") == 1


def test_backtests_are_measured_beside_other_programs(tmp_path: Path) -> None:
    from infra.bench.backtest import run

    found = run(1000, tmp_path, tmp_path, 1000, 1, lambda _: None)
    assert found.ok, found.text
    values = {figure.name: figure.value for figure in found.figures}
    assert values["bars: backtrader has as many fills"] is True
    assert values["bars: both have the same fills"] is True
    assert "is not in" in str(values["recorded day"])


@pytest.mark.bench
def test_what_settings_gain_is_measured(tmp_path: Path) -> None:
    sizes = ("--pairs", "1", "--singles", "20", "--seconds", "0.1", "--frame", "64")
    found = measured(tmp_path, "tuning", "engine-cpu", "huge-pages", *sizes)
    for setting in ("HFT_ENGINE_CPU", "HFT_HUGE_PAGES"):
        assert found[f"{setting}: burst, with"] > 0
        assert found[f"{setting}: after a pause of 1 ms, p50, without"] > 0
    assert run("tuning", "warp-drive").exit_code == 2


@pytest.mark.bench
def test_the_streams_are_measured(tmp_path: Path) -> None:
    found = measured(tmp_path, "streams", "--fills", "2000", "--rounds", "1", "--orders", "200", "--rate", "100")
    assert found["each fill made one position record"] is True
    assert found["two workers to one"] > 0
    assert found["order (Kafka) to position record: p99"] > 0


@pytest.mark.bench
def test_orders_go_on_while_a_store_is_away(tmp_path: Path) -> None:
    found = measured(tmp_path, "outage", "--window", "3", "--rounds", "1", "--rate", "50")
    for store in ("Postgres", "Redis"):
        assert found[f"{store}: every record is in it at the end"] is True
        assert found[f"{store}: records behind when it was back"] > 0, "its absence was noticed by its sink"
        assert found[f"round trip p99, {store} away to there"] > 0


def measured(folder: Path, *arguments: str) -> dict[str, Any]:
    """The figures by name."""
    answer = run(*arguments, "--json", str(folder / "found.json"))
    assert answer.exit_code == 0, answer.output
    figures = json.loads((folder / "found.json").read_text())["figures"]
    return {name: figure["value"] for name, figure in figures.items()}
