"""The built wheel, away from the checkout: it has everything in it that the program needs, the page too."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from infra import state
from infra.folders import Folders
from infra.node import PAGE, build
from infra.process import Process, Program
from tests.system import START_LIMIT_S, settings_for

ROOT = Path(__file__).parents[2]
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")


def run(*command: str, folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nothing but what the wheel holds."""
    folder = tmp_path_factory.mktemp("wheel")
    build(PAGE, folder / "node", setting="", log_file=folder / "page.log")
    run(*PIP, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT), folder=folder)
    [wheel] = folder.glob("hft-*.whl")
    target = folder / "installed"
    run(*PIP, "install", "--no-deps", "--no-index", "--target", str(target), str(wheel), folder=folder)
    return target


@pytest.mark.timeout(START_LIMIT_S + 200)
@pytest.mark.integration
def test_it_brings_the_whole_system_up(installed: Path, tmp_path: Path) -> None:
    settings = settings_for(tmp_path / "var", {})
    environment = {**os.environ, **settings.environment(), "PYTHONPATH": str(installed)}
    where = subprocess.run(
        [sys.executable, "-c", "import infra; print(infra.__file__)"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert where.stdout.startswith(str(installed))
    folders = Folders(settings.var)

    def healthy() -> bool:
        found = state.read(folders.run)
        return found is not None and found.pid == launcher.pid and found.phase == "healthy"

    launcher = Process(
        Program(
            name="hft up",
            command=(sys.executable, "-m", "infra.cli", "up"),
            log=tmp_path / "up.log",
            folder=tmp_path,
            environment=environment,
            probe=healthy,
            start_limit_s=START_LIMIT_S,
            stop_signal=signal.SIGINT,
        )
    )
    try:
        launcher.wait_ready()
        with urllib.request.urlopen(settings.gateway, timeout=10) as answer:
            assert b'<script type="module"' in answer.read()
    finally:
        launcher.stop(limit_s=15.0)
    assert launcher.exit_code == 0, launcher.obituary()
