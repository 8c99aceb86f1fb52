"""Installs a hashed requirements file with pip, on one line that shows how far it is. Needs nothing installed.

python infra/install.py REQUIREMENTS MEGABYTES
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path
from typing import TextIO

HANDLED = re.compile(r"(Collecting|Requirement already satisfied:|Ignoring) ")
TENTHS = 10


def packages(requirements: str) -> int:
    return len(re.findall(r"^[A-Za-z0-9][^\s=]*==", requirements, re.MULTILINE))


class Line:
    """Rewritten in place on a terminal; elsewhere one line for each tenth."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._live = out.isatty()
        self._tenth = -1

    def show(self, text: str, tenth: int) -> None:
        if self._live:
            self._out.write(f"\r\x1b[K{text}")
        elif tenth > self._tenth:
            self._out.write(f"{text}\n")
        self._tenth = max(tenth, self._tenth)
        self._out.flush()

    def end(self, text: str) -> None:
        self._out.write(f"\r\x1b[K{text}\n" if self._live else f"{text}\n")
        self._out.flush()


def main(requirements: Path, megabytes: int) -> int:
    total = packages(requirements.read_text())
    line = Line(sys.stdout)
    started = time.monotonic()
    command = (sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--progress-bar", "off")
    with subprocess.Popen(
        (*command, "--require-hashes", "-r", str(requirements)), stdout=subprocess.PIPE, text=True
    ) as pip:
        assert pip.stdout is not None
        done = 0
        for said in pip.stdout:
            if HANDLED.match(said):
                done += 1
                line.show(
                    f"packages: {min(100, 100 * done // total)} % of {total} (up to {megabytes} MB, once)",
                    TENTHS * done // total,
                )
            elif said.startswith("Installing collected packages"):
                line.show("packages: unpacking", TENTHS + 1)
    if pip.returncode != 0:
        line.end(
            f"the packages of {requirements} cannot be installed (pip says why above): PIP_INDEX_URL names an index"
        )
        return 1
    line.end(f"packages: all of {requirements} ({time.monotonic() - started:.0f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
