"""The instruments file."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from engine.instruments import InstrumentsError, load

ONE = 'tick_size = "0.01"\nlot_size = "1"\nprice_min = "1"\nprice_max = "2000"\n'


def written(folder: Path, text: str) -> Path:
    path = folder / "instruments.toml"
    path.write_text(text)
    return path


def test_what_an_instrument_says(tmp_path: Path) -> None:
    text = f'[IBM]\n{ONE}calendar = "XNYS"\nmaker_fee_ppm = -20\nhalted = true\nstart_price = "220"\n[BTC]\n{ONE}'
    first, second = load(written(tmp_path, text))
    definition = first.definition
    assert (definition.symbol, definition.calendar, definition.maker_fee_ppm) == ("IBM", "XNYS", -20)
    assert (first.start_price, first.halted) == (Decimal(220), True)
    assert (second.definition.calendar, second.start_price, second.halted) == ("", None, False)


def test_the_default_instruments_trade_around_the_clock() -> None:
    listings = load(Path(__file__).parents[2] / "infra" / "instruments.toml")
    assert [listing.definition.symbol for listing in listings] == ["AAPL", "MSFT", "NVDA", "BTCUSD"]
    assert {(listing.definition.calendar, listing.halted) for listing in listings} == {("", False)}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f'[IBM]\n{ONE}halted = "yes"\n', r"\[IBM\]: halted: expected true or false"),
        (f"[IBM]\n{ONE}colour = 1\n", r"\[IBM\]: colour: colour is not a field"),
        (f"[IBM]\n{ONE}calendar = 1\n", r"\[IBM\]: calendar: "),
        ("[IBM]\n", r"\[IBM\]: tick_size: tick_size is required"),
        (f'[IBM]\n{ONE}start_price = "dear"\n', r"\[IBM\]: "),
        ("IBM = 1\n", r"\[IBM\]: "),
        ("[IBM\n", "instruments file "),
    ],
)
def test_what_is_wrong_names_instrument_and_field(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InstrumentsError, match=said):
        load(written(tmp_path, text))
