"""What users keep of the page."""

from __future__ import annotations

import httpx
import pytest

from gateway.layouts import MOST_LAYOUTS
from tests.gateway.running import Running

pytestmark = pytest.mark.integration


def user(gateway: Running, name: str) -> httpx.Client:
    headers = {"Authorization": f"Bearer {gateway.token('demo', actor=name)}"}
    return httpx.Client(base_url=gateway.url, headers=headers)


def test_layouts_are_each_users_own(gateway: Running) -> None:
    layout = {"panels": [{"kind": "book", "seen_ns": 12, "title": 'with "quotes" and é'}], "dark": True}
    with user(gateway, "lay-ann") as ann, user(gateway, "lay-bob") as bob:
        kept = ann.put("/api/layouts", json={"name": "Desk 1", "layout": layout})
        assert kept.status_code == 200
        ann.put("/api/layouts", json={"layout": {}})
        shown = ann.get("/api/layouts").json()["layouts"]
        assert [(one["name"], one["layout"]) for one in shown] == [("Desk 1", layout), ("default", {})]
        assert shown[0]["updated_ns"] == kept.json()["updated_ns"]
        assert bob.get("/api/layouts").json() == {"layouts": []}
        ann.put("/api/layouts", json={"name": "Desk 1", "layout": {"dark": False}})
        assert ann.get("/api/layouts").json()["layouts"][0]["layout"] == {"dark": False}
        assert ann.put("/api/layouts", json={"name": "Desk 1", "layout": None}).json()["updated_ns"] is None
        assert [one["name"] for one in ann.get("/api/layouts").json()["layouts"]] == ["default"]


def test_there_are_only_so_many(gateway: Running) -> None:
    with user(gateway, "lay-many") as many:
        for number in range(MOST_LAYOUTS):
            assert many.put("/api/layouts", json={"name": str(number), "layout": {}}).status_code == 200
        refused = many.put("/api/layouts", json={"name": "one more", "layout": {}})
        assert (refused.status_code, refused.json()["field"]) == (422, "name")
        assert many.put("/api/layouts", json={"name": "7", "layout": {"again": 1}}).status_code == 200


@pytest.mark.parametrize(
    ("sent", "status", "field"),
    [
        ({}, 422, "layout"),
        ({"layout": []}, 422, "layout"),
        ({"layout": {"a": "\x00"}}, 422, "layout"),
        ({"layout": {}, "name": ""}, 422, "name"),
        ({"layout": {}, "name": "x" * 65}, 422, "name"),
        ({"layout": {}, "name": "a/b"}, 422, "name"),
        ({"layout": {"a": "x" * 70_000}}, 413, None),
    ],
)
def test_what_is_no_layout(gateway: Running, sent: dict[str, object], status: int, field: str | None) -> None:
    with user(gateway, "lay-ann") as ann:
        refused = ann.put("/api/layouts", json=sent)
        assert (refused.status_code, refused.json()["field"]) == (status, field)
