"""The command line: what is wrong is said in one line on stderr, and nothing is started."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.tokens import verify
from infra.install import packages

SECRET = "s" * 40
REPOSITORY = Path(__file__).parents[2]


def hft(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HFT_")}
    environment = {**clean, "PYTHONPATH": str(REPOSITORY), **variables}
    command = (sys.executable, "-m", "infra.cli", *arguments)
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("up", "--nonsense"), 2, "No such option: --nonsense"),
        (("nonsense",), 2, "No such command 'nonsense'"),
        (("status",), 1, "nothing runs in "),
        (("logs",), 1, "there are no logs in "),
        (("run", "nonsense"), 1, "there is no service nonsense: there are engine, "),
        (("token", "--account", "demo"), 1, "run hft up first, or set HFT_JWT_SECRET"),
        (("token",), 2, "Missing option '--account'"),
        (("token", "--account", "demo", "--role", "king"), 1, "--role king: there are viewer, trader, "),
        (("replay",), 2, "give --lobster MESSAGES.csv --book ORDERBOOK.csv, or --dbn FILE"),
        (("replay", "--lobster", "nowhere.csv"), 2, "File 'nowhere.csv' does not exist"),
        (("replay", "--lobster", ".env", "--speed", "-1"), 2, "-1 is neither a positive number nor max"),
        (("audit",), 2, "Missing option '--from-topics'"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path: Path, arguments: tuple[str, ...], code: int, said: str) -> None:
    (tmp_path / ".env").touch()
    answer = hft(tmp_path, *arguments)
    assert (answer.returncode, answer.stdout, answer.stderr.count("\n")) == (code, "", 1), answer.stderr
    assert answer.stderr.startswith("hft: ")
    assert said in answer.stderr


def test_a_wrong_setting_is_one_line(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("HFT_MAX_ORDERS=few\n")
    answer = hft(tmp_path, "up")
    assert (answer.returncode, answer.stdout) == (1, "")
    assert answer.stderr.startswith("hft: HFT_MAX_ORDERS=few: input should be a valid integer")
    assert answer.stderr.count("\n") == 1


def test_down_without_a_run_is_no_failure(tmp_path: Path) -> None:
    answer = hft(tmp_path, "down")
    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout.startswith("nothing runs in ")


def test_a_token_says_who_and_for_what(tmp_path: Path) -> None:
    answer = hft(tmp_path, "token", "--account", "demo", "--account", "other", "--name", "robot", HFT_JWT_SECRET=SECRET)
    identity = verify(SECRET, answer.stdout.strip())
    assert (identity.actor, identity.role, identity.accounts) == ("robot", "trader", ("demo", "other"))


def test_the_settings_that_count_are_shown(tmp_path: Path) -> None:
    answer = hft(tmp_path, "settings", HFT_KAFKA_PORT="19092", HFT_JWT_SECRET=SECRET)
    assert "HFT_KAFKA_PORT=19092\n" in answer.stdout
    assert SECRET not in answer.stdout


@pytest.mark.parametrize(
    ("requirements", "count"),
    [("a==1 \\\n    --hash=sha256:00 \\\n    --hash=sha256:01\nb-c==2 ; python_version < '3'\n", 2), ("# a==1\n", 0)],
)
def test_packages_are_counted(requirements: str, count: int) -> None:
    assert packages(requirements) == count
