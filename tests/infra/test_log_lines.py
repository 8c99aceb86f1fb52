"""Lines of logs of both kinds, and that no secret is in them."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.log_lines import JsonLines, TextLines, as_text, masked, message_of

SECRET = "correct-horse-battery-staple-0123456789"
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"signed with {SECRET}, twice {SECRET}", "signed with ***, twice ***"),
        ("postgresql://hft:hunter2@db:5432/hft is away", "postgresql://hft:***@db:5432/hft is away"),
        ("redis://:hunter2@cache:6379/0", "redis://:***@cache:6379/0"),
        (f"Authorization: Bearer {TOKEN}", "Authorization: Bearer ***"),
        ('{"username": "ann", "password": "hunter2"}', '{"username": "ann", "password": "***"}'),
        ("connection failed: password=hunter2 host=db", "connection failed: password=*** host=db"),
        ("no secret at http://127.0.0.1:8080/api/orders?symbol=AAPL", None),
        ("Kafka is away (Connect to ipv4#127.0.0.1:9092 failed)", None),
    ],
)
def test_secrets_are_masked(text: str, shown: str | None) -> None:
    assert masked(text, [SECRET, "", "demo"]) == (text if shown is None else shown)


def record(text: str, *arguments: object) -> logging.LogRecord:
    try:
        raise ValueError(f"it was {SECRET}")
    except ValueError:
        return logging.LogRecord("engine.server", logging.ERROR, "f", 1, text, arguments, sys.exc_info())


def test_a_line_of_json_has_everything_and_no_secret() -> None:
    made = record("order %s of %s", "17", SECRET)
    line = JsonLines("engine", [SECRET]).format(made)
    assert "\n" not in line
    found = json.loads(line)
    assert found["ts_ns"] == pytest.approx(made.created * 1e9, abs=1e6)
    assert (found["level"], found["process"], found["logger"]) == ("error", "engine", "engine.server")
    assert found["message"] == "order 17 of ***"
    assert "ValueError: it was ***" in found["exception"]
    assert SECRET not in line


def test_what_a_process_said_last_is_found_in_both_kinds() -> None:
    made = record("the disk is full")
    made.exc_info = None
    for formatter in (JsonLines("engine"), TextLines()):
        assert message_of(formatter.format(made)) == "the disk is full"
    assert message_of("Traceback (most recent call last):") == "Traceback (most recent call last):"
    assert message_of('{"ts_ns": half a line') == '{"ts_ns": half a line'


def test_a_line_of_json_is_shown_as_the_other_kind_would_be() -> None:
    made = record("100 %% of %s", "it")
    made.trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    assert as_text(JsonLines("engine").format(made)) == TextLines().format(made)
    assert as_text("ready to accept connections") == "ready to accept connections"


def test_a_process_logs_json_where_that_is_set(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "HFT_VAR": str(tmp_path),
        "HFT_LOG_FORMAT": "json",
        "HFT_ENGINE_CPU": "4096",
        "HFT_JWT_SECRET": SECRET,
    }
    command = (sys.executable, "-m", "infra.cli", "run", "engine")
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    [line] = [json.loads(line) for line in done.stderr.splitlines()]
    assert line["process"] == "engine"
    assert line["message"].startswith("HFT_ENGINE_CPU=4096: the processors here are ")


def test_a_line_about_an_order_names_its_trace() -> None:
    made = record("it was filled")
    made.exc_info = None
    assert "trace" not in TextLines().format(made)
    assert "trace" not in json.loads(JsonLines("engine").format(made))
    made.trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    assert TextLines().format(made).endswith(f"engine.server: it was filled trace={made.trace}")
    assert json.loads(JsonLines("engine").format(made))["trace"] == made.trace
