"""The web page's files and the headers on every answer."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.gateway.running import Running, running
from tests.system import System

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def built(system: System, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A gateway with a built page."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "dist" / "assets").mkdir(parents=True)
    (folder / "secret.txt").write_text("not for everyone")
    (folder / "dist" / "index.html").write_text("<!doctype html><title>terminal</title>")
    (folder / "dist" / "favicon.svg").write_text("<svg/>")
    (folder / "dist" / "assets" / "index-abc123.js").write_text("export {};")
    (folder / "dist" / "linked.txt").symlink_to(folder / "secret.txt")
    with running(system, page=folder / "dist") as gateway, httpx.Client(base_url=gateway.url) as client:
        yield client


@pytest.mark.parametrize(
    ("path", "media_type", "cache"),
    [
        ("/", "text/html; charset=utf-8", "no-cache"),
        ("/orders/7", "text/html; charset=utf-8", "no-cache"),
        ("/index.html", "text/html; charset=utf-8", "no-cache"),
        ("/favicon.svg", "image/svg+xml", "no-cache"),
        ("/assets/index-abc123.js", "text/javascript; charset=utf-8", "public, max-age=31536000, immutable"),
    ],
)
def test_files(built: httpx.Client, path: str, media_type: str, cache: str) -> None:
    answer = built.get(path)
    assert answer.status_code == 200
    assert (answer.headers["content-type"], answer.headers["cache-control"]) == (media_type, cache)


def test_a_file_is_not_sent_twice(built: httpx.Client) -> None:
    etag = built.get("/favicon.svg").headers["etag"]
    assert built.get("/favicon.svg", headers={"If-None-Match": etag}).status_code == 304


@pytest.mark.parametrize(
    "path",
    ["/nothing.js", "/assets/nothing.css", "/../secret.txt", "/%2e%2e/secret.txt", "/linked.txt", "/a%00.txt", "/api"],
)
def test_what_is_not_there(built: httpx.Client, path: str) -> None:
    answer = built.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_page_that_is_not_built_says_so(gateway: Running) -> None:
    answer = gateway.get("/")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text.count("\n") == 1
    assert "not been built" in answer.text


@pytest.mark.parametrize("path", ["/", "/favicon.svg", "/nothing.js", "/healthz", "/api/orders", "/api/nothing"])
def test_every_answer_is_safe_in_a_browser(built: httpx.Client, path: str) -> None:
    headers = built.get(path).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["script-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["object-src"] == "'none'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert "server" not in headers
