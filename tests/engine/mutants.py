"""Small wrong turns that the matcher could have taken: each must be caught by comparing it with the reference.

A mutant replaces one piece of one function. Sources are compared after parsing, so layout and remarks do not matter;
one whose piece is not found exactly once is an error, and has to be written anew for the changed source.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Final, NamedTuple

import engine

FILES: Final = Path(__file__).parent / "mutants"
"""One for each file of the matcher."""
SOURCES: Final = Path(engine.__file__).parent


class Mutant(NamedTuple):
    what: str
    file: str
    function: str
    old: str
    new: str

    def source(self) -> str:
        """The whole file with the mutation. Raises ValueError where it does not apply."""
        tree = ast.parse((SOURCES / f"{self.file}.py").read_text())
        functions = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == self.function]
        if len(functions) != 1:
            raise ValueError(f"{self.what}: {self.file}.{self.function} is not there")
        (function,) = functions
        old, new = _normal(self.old), _normal(self.new)
        text = ast.unparse(function)
        if text.count(old) != 1 or old == new:
            raise ValueError(f"{self.what}: {old!r} stands {text.count(old)} times in {self.file}.{self.function}")
        tree.body[tree.body.index(function)] = ast.parse(text.replace(old, new)).body[0]
        return ast.unparse(tree)


def _normal(code: str) -> str:
    return ast.unparse(ast.parse(code))


def read(path: Path) -> list[Mutant]:
    """The mutants of one file: `== what`, the function, and two indented lines: what stands there, and what instead."""
    mutants = []
    lines = [line for line in path.read_text().splitlines() if line.strip() and not line.startswith("# ")]
    for title, function, old, new in zip(*[iter(lines)] * 4, strict=True):
        if not title.startswith("== ") or function.startswith(" ") or not (old.startswith(" ") and new.startswith(" ")):
            raise ValueError(f"{path.name}: {title!r} is not a mutant of four lines")
        mutants.append(Mutant(title[3:], path.stem, function, old.strip(), new.strip()))
    return mutants


MUTANTS: Final = tuple(mutant for path in sorted(FILES.glob("*.txt")) for mutant in read(path))
