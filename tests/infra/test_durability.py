"""The measure of the durability levels runs and cleans up behind itself."""

from __future__ import annotations

from pathlib import Path

from infra.durability import measure


def test_names_each_level_and_leaves_nothing(tmp_path: Path) -> None:
    lines = measure(tmp_path, frames=20).splitlines()
    assert [line.split(":")[0] for line in lines[1:]] == ["journaled", "synced", "synced"]
    assert list(tmp_path.iterdir()) == []
