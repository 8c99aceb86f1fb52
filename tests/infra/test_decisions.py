"""Each decision has a number of its own, which stands in its file's name and its title."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parents[2] / "docs" / "decisions"


def test_every_decision_has_a_number_of_its_own() -> None:
    pages = sorted(path for path in FOLDER.glob("*.md") if path.name != "README.md")
    numbers = [path.name[:4] for path in pages]
    assert numbers == [f"{number:04}" for number in range(1, len(pages) + 1)]
    for path, number in zip(pages, numbers, strict=True):
        assert path.read_text().startswith(f"# {number} "), path.name
