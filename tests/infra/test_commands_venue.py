"""The word that lets orders trade with real money, asked by the real client, of a server that speaks the protocol."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from click.testing import CliRunner

from infra import confirmation
from infra.commands import hft
from tests.streams.venues.alpaca_trading_server import KEY, SECRET, alpaca_trading


def test_live_trading_is_confirmed_by_the_number_of_the_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALPACA_API_KEY", KEY)
    monkeypatch.setenv("ALPACA_API_SECRET", SECRET)
    monkeypatch.setenv("HFT_VAR", str(tmp_path))
    secrets = tmp_path / "secrets"
    with alpaca_trading() as server:
        monkeypatch.setenv("HFT_ALPACA_TRADING_URL", server.trading_url)
        wrong = CliRunner().invoke(hft, ["venue", "confirm-live"], input="yes\n")
        assert "nothing is confirmed" in str(wrong.exception)
        assert confirmation.read(secrets) == ""
        right = CliRunner().invoke(hft, ["venue", "confirm-live"], input="PA1\n")
        assert right.exit_code == 0, right.output
        assert "100,000 of real money" in right.output
        assert SECRET not in right.output
        monkeypatch.setenv("ALPACA_API_SECRET", "another")
        refused = CliRunner().invoke(hft, ["venue", "confirm-live"], input="PA1\n")
        assert str(refused.exception) == "Alpaca: forbidden."
    assert confirmation.read(secrets) == "PA1"
    assert stat.S_IMODE((secrets / confirmation.NAME).stat().st_mode) == 0o600
