"""docs/upgrades.md names the versions that the program has."""

from __future__ import annotations

import re
from pathlib import Path

from engine import layout, messages, segments, snapshot

ROOT = Path(__file__).parents[2]


def test_the_page_has_todays_versions() -> None:
    table = re.findall(r"^\| ([^|]+) \| (\d+) \|", (ROOT / "docs" / "upgrades.md").read_text(), re.MULTILINE)
    newest = max(int(path.name[:4]) for path in (ROOT / "infra" / "schema").glob("[0-9]*.sql"))
    assert {name: int(version) for name, version in table} == {
        "the journal's segments": segments.VERSION,
        "snapshots": snapshot.VERSION,
        "ZeroMQ frames": layout.FRAME_VERSION,
        "records of the topics (`v`)": messages.SCHEMA_VERSION,
        "the SQL schema": newest,
    }
