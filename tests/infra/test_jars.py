"""Kafka's jars: the lock, and what happens to a jar that is not what the lock says."""

from __future__ import annotations

import re
import shutil
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

from infra import jars
from infra.errors import OperatorError

SMALL = "org.slf4j:slf4j-simple"


@pytest.fixture
def one_jar(tmp_path: Path) -> Path:
    """A lock of one small jar."""
    lock = tmp_path / "kafka.lock"
    lock.write_text("".join(line for line in jars.LOCK.read_text().splitlines(True) if line.startswith(SMALL)))
    return lock


def test_the_lock_is_complete_and_names_no_host() -> None:
    locked = jars.read_lock()
    assert {f"{jar.group}:{jar.artifact}:{jar.version}" for jar in locked} >= set(jars.ENDPOINT.split("+"))
    assert all(re.fullmatch(r"[0-9a-f]{64}", jar.sha256) and jar.size > 0 for jar in locked)
    assert "://" not in jars.LOCK.read_text()


def test_a_damaged_jar_is_fetched_again(one_jar: Path, kafka_jars: list[Path], tmp_path: Path) -> None:
    (jar,) = jars.read_lock(one_jar)
    copy = jar.path(tmp_path / "maven")
    copy.parent.mkdir(parents=True)
    copy.write_bytes(b"half a jar")
    seen: list[tuple[int, int]] = []
    assert jars.class_path(tmp_path, lock=one_jar, progress=lambda *sizes: seen.append(sizes)) == [copy]
    assert jars.is_good(jar, tmp_path / "maven")
    assert seen[-1] == (jar.size, jar.size)


def test_a_jar_with_another_sum_is_refused(one_jar: Path, tmp_path: Path) -> None:
    (jar,) = jars.read_lock(one_jar)
    one_jar.write_text(one_jar.read_text().replace(jar.sha256, "0" * 64))
    with pytest.raises(OperatorError, match="another sha256"):
        jars.class_path(tmp_path, lock=one_jar)
    assert not jar.path(tmp_path / "maven").exists()


def test_no_network_is_one_line(one_jar: Path, tmp_path: Path) -> None:
    with pytest.raises(OperatorError) as failure:
        jars.class_path(tmp_path, lock=one_jar, mirror="http://127.0.0.1:9/maven2")
    assert "cannot be downloaded" in str(failure.value)
    assert "HFT_MAVEN_MIRROR" in str(failure.value)
    assert "\n" not in str(failure.value)


def test_a_proxy_with_certificates_of_its_own_is_told_apart(one_jar: Path, tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        with pytest.raises(OperatorError, match="set REQUESTS_CA_BUNDLE to a PEM file of them, or HFT_KAFKA_BOOTSTRAP"):
            jars.class_path(tmp_path, lock=one_jar, mirror=f"https://127.0.0.1:{server.server_port}/maven2")
        server.shutdown()
        serving.join()


def test_good_jars_need_no_network(one_jar: Path, kafka_jars: list[Path], tmp_path: Path) -> None:
    (jar,) = jars.read_lock(one_jar)
    source = next(path for path in kafka_jars if path.name.startswith("slf4j-simple"))
    target = jar.path(tmp_path / "maven")
    target.parent.mkdir(parents=True)
    shutil.copy(source, target)
    assert jars.class_path(tmp_path, lock=one_jar, mirror="http://127.0.0.1:9/maven2") == [target]
