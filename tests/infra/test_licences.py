"""No dependency's licence stands against ours, and the page says which each is."""

from __future__ import annotations

import pytest

from infra.licences import PAGE, Package, installed, locked, refused, row


@pytest.fixture(scope="module")
def packages() -> list[Package]:
    return installed()


def test_every_runtime_dependency_may_be_used(packages: list[Package]) -> None:
    assert len(packages) > 50
    assert refused(packages) == []


def test_the_page_is_fresh(packages: list[Package]) -> None:
    page = PAGE.read_text()
    assert [package for package in packages if row(package) not in page] == []
    listed = {line.split("|")[1].strip() for line in page.splitlines() if line.startswith("| ")} - {"package"}
    assert listed <= locked()


@pytest.mark.parametrize(
    "licence", ["GPL-3.0", "GNU General Public License v2 (GPLv2)", "AGPL-3.0-only", "MIT AND GPL-2.0-only", "UNKNOWN"]
)
def test_a_licence_that_asks_for_more_is_refused(licence: str) -> None:
    assert refused([Package("some", licence)])
