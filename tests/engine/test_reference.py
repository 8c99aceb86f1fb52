"""The reference is worth something only as long as it shares nothing with what it checks."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import engine.reference

FOLDER = Path(engine.reference.__file__).parent
ITS_OWN = "engine.reference"
VOCABULARY = {"engine.messages", "engine.words", "engine.layout"}


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.name)
def test_imports_only_the_vocabulary(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute, so that they can be read here"
            names = [node.module or ""]
        for name in names:
            assert not name.startswith("numba")
            if name.split(".")[0] == "engine":
                assert name in VOCABULARY or name.startswith(ITS_OWN), f"{path.name} imports {name}"


def test_loads_nothing_of_the_matcher() -> None:
    program = "import sys, engine.reference; print(*(name for name in sys.modules if name.startswith('engine')))"
    root = FOLDER.parents[1]
    run = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    loaded = {name for name in run.stdout.split() if not name.startswith(ITS_OWN)}
    assert loaded == {"engine", *VOCABULARY}
