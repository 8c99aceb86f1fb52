"""`hft split` and `hft dividend`: what they take, and what they ask of the engine."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from click.testing import CliRunner

from engine.messages import Dividend, Reply, Split
from infra import commands_corporate
from infra.commands import hft


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The commands that would have gone to the engine."""
    commands: list[Any] = []

    def tell(command: Any) -> Reply:
        commands.append(command)
        return Reply(outcome="accepted", seq=9, affected=3)

    monkeypatch.setattr(commands_corporate, "tell", tell)
    return commands


def test_a_split(asked: list[Any]) -> None:
    result = CliRunner().invoke(hft, ["split", "AAPL", "3:2"])
    assert result.output == "AAPL split 3:2: 3 orders canceled (command 9)\n"
    assert asked == [Split(symbol="AAPL", new_shares=3, old_shares=2)]


def test_a_dividend(asked: list[Any]) -> None:
    result = CliRunner().invoke(hft, ["dividend", "AAPL", "0.25"])
    assert result.output == "AAPL: 0.25 paid for each unit held (command 9)\n"
    assert asked == [Dividend(symbol="AAPL", amount=Decimal("0.25"))]


@pytest.mark.parametrize("ratio", ["2", "2:", ":1", "a:b", "2/1", "-2:1", "1.5:1"])
def test_what_is_no_ratio_is_refused(asked: list[Any], ratio: str) -> None:
    result = CliRunner().invoke(hft, ["split", "--", "AAPL", ratio])
    assert result.exit_code == 2
    assert f"{ratio} is no ratio" in result.output
    assert asked == []
