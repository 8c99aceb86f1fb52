"""What uvicorn writes of an answer, and what leaves."""

from __future__ import annotations

import pytest

from gateway.answer import PLAIN, SECURE, Answer

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n"
STREAM = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n"


class Transport:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def close(self) -> None:
        self.written.append(b"(closed)")

    def is_closing(self) -> bool:
        return b"(closed)" in self.written


@pytest.mark.parametrize(
    ("method", "scheme", "given", "leaves"),
    [
        ("POST", "http", [HEAD, b"hello"], [HEAD + PLAIN + b"\r\nhello"]),
        ("GET", "https", [HEAD, b"hel", b"lo"], [HEAD + SECURE + b"\r\nhel", b"lo"]),
        ("GET", "http", [STREAM, b"1\r\na\r\n"], [STREAM + PLAIN + b"\r\n", b"1\r\na\r\n"]),
        ("HEAD", "http", [HEAD], [HEAD + PLAIN + b"\r\n"]),
        ("POST", "http", [HEAD, None], [HEAD + PLAIN + b"\r\n", b"(closed)"]),
        ("POST", "http", [HEAD, b"hello", None], [HEAD + PLAIN + b"\r\nhello", b"(closed)"]),
        (
            "GET",
            "http",
            [STREAM, b"\r\ncontent-length: 1", b"b"],
            [STREAM + PLAIN + b"\r\n", b"\r\ncontent-length: 1", b"b"],
        ),
    ],
)
def test_a_head_leaves_with_its_body(method: str, scheme: str, given: list[bytes | None], leaves: list[bytes]) -> None:
    transport = Transport()
    answer = Answer(transport, {"method": method, "scheme": scheme})  # type: ignore[arg-type]
    for data in given:
        if data is None:
            answer.close()
        else:
            answer.write(data if data not in (HEAD, STREAM) else data + b"\r\n")
    assert transport.written == leaves
    assert answer.is_closing() is (given[-1] is None)


def test_a_client_that_waits_before_it_sends_its_body_is_told_first() -> None:
    transport = Transport()
    answer = Answer(transport, {"method": "POST", "scheme": "http"})  # type: ignore[arg-type]
    answer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    answer.write(HEAD + b"\r\n")
    answer.write(b"hello")
    assert transport.written == [b"HTTP/1.1 100 Continue\r\n\r\n", HEAD + PLAIN + b"\r\nhello"]
