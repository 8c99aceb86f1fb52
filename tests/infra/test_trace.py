"""`hft trace` on logs of both kinds."""

from __future__ import annotations

import logging
from pathlib import Path

from infra.log_lines import JsonLines, TextLines
from infra.trace import of_logs

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def test_lines_of_both_kinds_that_name_the_trace(tmp_path: Path) -> None:
    lines: dict[str, list[str]] = {"engine.log": [], "gateway.log": [], "engine.log.1": []}
    for number, (name, kind) in enumerate(
        (("engine.log.1", TextLines()), ("engine.log", TextLines()), ("gateway.log", JsonLines("gateway")))
    ):
        for trace, text in ((TRACE, "filled"), ("b" * 32, "another"), ("", f"says {TRACE}")):
            made = logging.LogRecord("x", logging.DEBUG, "f", 1, text, (), None)
            made.created, made.msecs, made.trace = 1_800_000_000 + number, 250.0, trace
            lines[name].append(kind.format(made))
    for name, content in lines.items():
        (tmp_path / name).write_text("\n".join([*content, "Traceback", "{broken"]) + "\n")
    found = sorted(of_logs(tmp_path, TRACE))
    assert [step.where for step in found] == ["engine.log.1", "engine.log", "gateway.log"]
    assert [step.ts_ns // 1_000_000_000 for step in found] == [1_800_000_000, 1_800_000_001, 1_800_000_002]
    assert found[0].ts_ns % 1_000_000_000 == 250_000_000
    assert {step.text for step in found} == {f"DEBUG x: filled trace={TRACE}"}
