"""The built wheel, away from the checkout: it has everything in it that the program needs, the page too."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.node import PAGE, build

ROOT = Path(__file__).parents[2]
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
NO_CODE = ("*.sql", "*.toml", "*.lock", "*.conf", "*.sh", "*.service", "*.target", "*.env")
"""What lies beside the code and is read or copied from there."""
OF_A_CHECKOUT = {
    "infra/compose.env",
    "infra/production.env",
    "infra/production/pg_hba.conf",
    "infra/production/redis.conf",
    "infra/production/secrets.sh",
}
"""What goes with the compose files."""


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


def hft(installed: Path, folder: Path, *arguments: str) -> str:
    """The output of the installed program, which must not find the checkout."""
    code = (
        "import sys, infra; assert infra.__file__.startswith(sys.argv[1]); del sys.argv[1]; "
        "from infra.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(installed), *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.integration
def test_the_program_runs_without_the_checkout(installed: Path, tmp_path: Path) -> None:
    assert "HFT_KAFKA_BOOTSTRAP" in hft(installed, tmp_path, "settings", "--markdown")
    assert "moving-average-cross" in hft(installed, tmp_path, "strategy", "list")


@pytest.mark.integration
def test_every_file_that_is_read_at_run_time_is_in_it(installed: Path) -> None:
    assert (installed / "dashboards/web/dist/index.html").is_file()
    beside = {str(path.relative_to(ROOT)) for pattern in NO_CODE for path in (ROOT / "infra").rglob(pattern)}
    missing = {path for path in beside - OF_A_CHECKOUT if not (installed / path).is_file()}
    assert missing == set()
    code = {
        str(path.relative_to(ROOT))
        for room in ("engine", "streams", "gateway", "infra")
        for path in (ROOT / room).rglob("*.py")
    }
    assert {path for path in code if not (installed / path).is_file()} == set()
