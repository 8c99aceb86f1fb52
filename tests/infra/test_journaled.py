"""`hft replay --journal`: the books as they stood after any command."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from engine.segments import segments
from infra.commands import hft
from infra.errors import OperatorError
from tests.engine.sequences import cancel_all, define, orders, running


def replayed(*arguments: object) -> str:
    result = CliRunner().invoke(hft, ["replay", *map(str, arguments)], standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return result.output


def test_any_past_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashes, books = {}, {}
    with running(tmp_path / "journal") as sequencer:
        define(sequencer)
        for k in range(5):
            sequencer.submit(orders(k, 20))
            hashes[sequencer.last_seq] = sequencer.core.state_hash()
            books[sequencer.last_seq] = len(sequencer.core.depth(1, 5)[0])
            sequencer.submit(cancel_all(1))
            sequencer.submit(cancel_all(2))
            hashes[sequencer.last_seq] = sequencer.core.state_hash()
            sequencer.snapshot(wait=True)
        last = sequencer.last_seq
    for seq, expected in hashes.items():
        text = replayed("--journal", tmp_path / "journal", "--until", seq)
        assert f"{seq} commands of" in text
        assert f"as of command {seq}, 1970-01-01 00:00:01." in text
        assert f"state hash {expected}" in text
        assert ("no orders" in text) == (seq not in books)
        assert seq not in books or sum(line.count("190.") + line.count("189.") > 0 for line in text.splitlines())
    monkeypatch.setenv("HFT_VAR", str(tmp_path))
    assert f"state hash {hashes[last]}" in replayed("--journal")
    with pytest.raises(OperatorError, match=f"ends at command {last}: --until {last + 1} is behind it"):
        replayed("--journal", "--until", last + 1)


def test_what_cannot_be_replayed(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="there is no journal in"):
        replayed("--journal", tmp_path)
    with running(tmp_path) as sequencer:
        define(sequencer)
        sequencer.submit(orders(1, 20))
    path = segments(tmp_path)[0]
    path.write_bytes(path.read_bytes()[:9])
    with pytest.raises(OperatorError, match=r"is a journal of version|is no journal"):
        replayed("--journal", tmp_path)
