"""What a LOBSTER pair must look like, and the one line that says what is wrong with one that does not."""

from __future__ import annotations

import zipfile
from datetime import date
from pathlib import Path

import pytest

from engine.words import Side
from streams.feeds.lobster.reader import LobsterError, Message, read
from tests.streams.feeds.lobster_day import write_day

MESSAGES = "34200.015105074,1,11,100,5790000,1\n34200.02,5,0,7,5795050,-1\n"
BOOK = "5800000,20,5790000,100,9999999999,0,-9999999999,0\n5800000,20,5790000,100,9999999999,0,-9999999999,0\n"


def test_reads_times_sides_and_empty_levels(tmp_path: Path) -> None:
    day = read(*write_day(tmp_path, MESSAGES, BOOK))
    assert (day.symbol, day.day, day.levels) == ("TEST", date(2012, 6, 21), 2)
    assert day.time_ns.tolist() == [34_200_015_105_074, 34_200_020_000_000]
    assert day.messages == [
        Message(1, 11, 100, 5_790_000, Side.BUY),
        Message(5, 0, 7, 5_795_050, Side.SELL),
    ]
    assert day.asks[0].tolist() == [[5_800_000, 20], [0, 0]]
    assert day.bids[0].tolist() == [[5_790_000, 100], [0, 0]]


def test_midnight_is_new_york_s_in_summer(tmp_path: Path) -> None:
    day = read(*write_day(tmp_path, MESSAGES, BOOK))
    assert day.midnight_ns == 1_340_251_200 * 10**9  # 2012-06-21 04:00 UTC


def test_the_coarsest_price_step_that_fits_hidden_trades_too(tmp_path: Path) -> None:
    assert read(*write_day(tmp_path, MESSAGES, BOOK)).price_step() == 50
    assert read(*write_day(tmp_path, MESSAGES.replace("5795050", "5795100"), BOOK)).price_step() == 100


def test_reads_the_zip_itself(tmp_path: Path) -> None:
    pair = write_day(tmp_path, MESSAGES, BOOK)
    with zipfile.ZipFile(tmp_path / "day.zip", "w") as archive:
        for path in pair:
            archive.write(path, path.name)
    assert read(tmp_path / "day.zip", None).messages == read(*pair).messages


@pytest.mark.parametrize(
    ("messages", "book", "said"),
    [
        ("", BOOK, "message_2.csv: empty"),
        ("1,1,1\n", BOOK, "has 6 columns, and this file 3"),
        (MESSAGES, "1,2,3\n", "has 4 columns a level, and this file 3"),
        (MESSAGES[:35], BOOK, "not one day's"),
        (MESSAGES.replace("11,100", "x,100"), BOOK, "not a LOBSTER file"),
        (MESSAGES.replace(",100,", ",,"), BOOK, "line 1 lacks column 4"),
        (MESSAGES.replace(",5,0", ",9,0"), BOOK, "line 2 has type 9"),
        (MESSAGES.replace(",-1\n", ",2\n"), BOOK, "line 2 has direction 2"),
        (MESSAGES.replace(",100,", ",-100,"), BOOK, "line 1: size and price must be positive"),
        (MESSAGES.replace("34200.02", "34199.02"), BOOK, "line 2 is earlier than the one before"),
        (MESSAGES.replace("34200.02", "noon"), BOOK, "column 1 must be seconds after midnight"),
    ],
)
def test_says_in_one_line_what_is_wrong(tmp_path: Path, messages: str, book: str, said: str) -> None:
    with pytest.raises(LobsterError) as error:
        read(*write_day(tmp_path, messages, book))
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_file_and_a_file_that_is_no_zip(tmp_path: Path) -> None:
    with pytest.raises(LobsterError, match=r"nowhere\.csv: No such file"):
        read(tmp_path / "nowhere.csv", None)
    (tmp_path / "lonely.csv").write_text(MESSAGES)
    with pytest.raises(LobsterError, match="name the order book too"):
        read(tmp_path / "lonely.csv", None)
