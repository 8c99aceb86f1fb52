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
        (("replay",), 2, "give --lobster MESSAGES.csv --book ORDERBOOK.csv, --dbn FILE…, or --journal"),
        (("replay", "--lobster", "nowhere.csv"), 2, "File 'nowhere.csv' does not exist"),
        (("replay", "--lobster", ".env", "--speed", "-1"), 2, "-1 is neither a positive number nor max"),
        (("audit", "--settle", "-1"), 2, "-1.0 is not in the range x>=0"),
        (("halt", "AAPL"), 1, "run hft up first, or set HFT_JWT_SECRET"),
        (("limits", "demo"), 2, "name a limit to set, as in --max-long 100"),
        (("limits", "demo", "--max-long", "many"), 2, "many is no number from 0 on, or none"),
        (("limits", "demo", "--max-long", "-1"), 2, "-1 is no number from 0 on, or none"),
        (("limits", "demo", "--max-open-orders", "1.5"), 2, "1.5 is no whole number from 0 on, or none"),
        (("fees", "demo", "--maker", "free"), 2, "'free' is not a valid integer"),
        (("kill",), 2, "name an account, or give --all"),
        (("kill", "demo", "--all"), 2, "name an account, or give --all"),
        (("session", "AAPL", "halted"), 2, "'halted' is not one of 'closed', "),
        (("account", "deposit", "demo", "much"), 2, "much is no number"),
        (("account", "create", "ann", "--margin", "x"), 2, "x is no number"),
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


def test_a_calendar_that_there_is_not_ends_the_schedule_in_one_line(tmp_path: Path) -> None:
    prices = 'tick_size = "0.01"\nlot_size = "1"\nprice_min = "1"\nprice_max = "2000"\n'
    (tmp_path / "instruments.toml").write_text(f'[IBM]\n{prices}calendar = "NOPE"\n')
    answer = hft(tmp_path, "run", "schedule", HFT_INSTRUMENTS="instruments.toml", HFT_JWT_SECRET=SECRET)
    assert (answer.returncode, answer.stdout, answer.stderr.count("\n")) == (1, "", 1), answer.stderr
    assert "calendar NOPE: " in answer.stderr


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


def test_commands_import_what_they_need_when_they_are_called(tmp_path: Path) -> None:
    """Every process of the system starts through this module."""
    heavy = "{'numpy', 'psycopg', 'redis', 'polars', 'numba'}"
    code = f"import sys, infra.commands; print(sorted({heavy} & sys.modules.keys()))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"
