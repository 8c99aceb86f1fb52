"""What a figure was measured on: without it no two figures can be compared."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import numba
import numpy as np

CPU_INFORMATION = Path("/proc/cpuinfo")


def processor() -> str:
    """The processor's name, as far as the system tells it."""
    if CPU_INFORMATION.exists():
        for line in CPU_INFORMATION.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def conditions() -> dict[str, str | float]:
    """Of this machine and this program; `load` is the number of processes that wanted to run in the last minute."""
    return {
        "processor": processor(),
        "cores": os.cpu_count() or 0,
        "load": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "numba": numba.__version__,
        "numpy": np.__version__,
    }
