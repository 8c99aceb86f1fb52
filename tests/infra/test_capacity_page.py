"""docs/capacity.md is what its run says, and each of its sums is that of the rows above it."""

from __future__ import annotations

import json
import re
from itertools import groupby

from infra.bench.capacity_page import MEASURED, PAGE, renewed

BEGIN = re.compile(r"<!-- measured: (\w+) -->")


def block(page: str, name: str) -> list[list[str]]:
    """The cells of a measured table, bold or not, without its head."""
    text = page.partition(f"<!-- measured: {name} -->")[2].partition("<!-- end -->")[0]
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip("*") for cell in row] for row in rows[1:]]


def number(cell: str) -> int:
    """A cost below the resolution is nothing in a sum."""
    return 0 if cell.startswith(("below ", "—")) else int(cell.replace(",", ""))


def test_the_page_is_fresh() -> None:
    text = PAGE.read_text()
    assert BEGIN.findall(text) == ["conditions", "disk", "processor", "memory", "million"]
    assert text == renewed(text, json.loads(MEASURED.read_text())), "make docs"


def test_its_sums_are_those_of_the_rows_above() -> None:
    page = PAGE.read_text()
    *parts, whole = block(page, "processor")
    assert whole[0] == "all"
    for column in (1, 2):
        assert number(whole[column]) == sum(number(row[column]) for row in parts)
    *parts, whole = block(page, "memory")
    assert number(whole[1]) == sum(number(row[1]) for row in parts)

    disk = block(page, "disk")
    sizes = {row[0]: number(row[1]) for row in disk}
    kinds = {
        kind: sum(number(row[1]) for row in rows) for kind, rows in groupby(disk, lambda row: row[0].partition(" ")[0])
    }
    assert sizes["all topics"] == kinds["topic"] > 0
    assert sizes["all tables"] == kinds["table"] > 0
    assert sizes["journal, topics and tables"] == sizes["journal"] + kinds["topic"] + kinds["table"]


def test_nothing_costs_less_than_nothing() -> None:
    for name in ("disk", "processor", "memory", "million"):
        assert not re.search(r"[-−]\d", " ".join(cell for row in block(PAGE.read_text(), name) for cell in row)), name


def test_a_process_that_one_way_left_as_it_was_has_no_cost_there() -> None:
    document = json.loads(MEASURED.read_text())
    del document["figures"]["processor, an order by REST: gateway"]
    rows = {row[0]: row for row in block(renewed(PAGE.read_text(), document), "processor")}
    assert rows["gateway"][1] != "—"
    assert rows["gateway"][2] == "—"
