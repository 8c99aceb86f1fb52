"""Certificates that cannot be served with are refused before anything starts, in one line that names the setting."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from infra import tls
from infra.errors import OperatorError
from infra.settings import Settings, load


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    authority = trustme.CA()
    for name in ("one", "two"):
        issued = authority.issue_cert(f"{name}.example")
        issued.private_key_pem.write_to_path(folder / f"{name}.key")
        issued.cert_chain_pems[0].write_to_path(folder / f"{name}.pem")
    key = load_pem_private_key((folder / "one.key").read_bytes(), password=None)
    (folder / "encrypted.key").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"word"))
    )
    (folder / "text.pem").write_text("no certificate\n")
    (folder / "empty.pem").touch()
    return folder


def settings(files: Path, certificate: str, key: str) -> Settings:
    changes: dict[str, Any] = {"tls_certificate": str(files / certificate), "tls_key": str(files / key)}
    return Settings(_env_file=None, **changes)  # type: ignore[call-arg]


def test_what_can_be_served_with(files: Path) -> None:
    assert tls.certificate(settings(files, "one.pem", "one.key")) == (files / "one.pem", files / "one.key")
    assert tls.certificate(Settings(_env_file=None)) is None  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("certificate", "key", "said"),
    [
        ("absent.pem", "one.key", "HFT_TLS_CERTIFICATE=.*absent.pem: cannot be read: No such file"),
        ("one.pem", "absent.key", "HFT_TLS_KEY=.*absent.key: cannot be read: No such file"),
        (".", "one.key", "HFT_TLS_CERTIFICATE=.*: cannot be read: Is a directory"),
        ("text.pem", "one.key", "HFT_TLS_CERTIFICATE=.*: holds no certificate in PEM form"),
        ("empty.pem", "one.key", "HFT_TLS_CERTIFICATE=.*: holds no certificate in PEM form"),
        ("one.key", "one.pem", "HFT_TLS_CERTIFICATE=.*: holds no certificate in PEM form"),
        ("one.pem", "text.pem", "HFT_TLS_KEY=.*: holds no private key in PEM form"),
        ("one.pem", "one.pem", "HFT_TLS_KEY=.*: holds no private key in PEM form"),
        ("one.pem", "two.key", "HFT_TLS_KEY=.*: is not the key of HFT_TLS_CERTIFICATE=.*one.pem"),
        ("one.pem", "encrypted.key", "HFT_TLS_KEY.*: the key is encrypted"),
    ],
)
def test_what_cannot(files: Path, certificate: str, key: str, said: str) -> None:
    with pytest.raises(OperatorError, match=said) as refused:
        tls.certificate(settings(files, certificate, key))
    assert "\n" not in str(refused.value)


def test_nothing_starts_with_it(files: Path, tmp_path: Path) -> None:
    environment = {
        "HFT_VAR": str(tmp_path / "var"),
        "HFT_TLS_CERTIFICATE": str(files / "absent.pem"),
        "HFT_TLS_KEY": str(files / "one.key"),
    }
    up = subprocess.run(
        [sys.executable, "-m", "infra.cli", "up"], env=environment, capture_output=True, text=True, timeout=120
    )
    assert up.returncode == 1
    assert up.stderr.splitlines()[-1].endswith("absent.pem: cannot be read: No such file or directory")
    assert "Traceback" not in up.stderr + up.stdout


@pytest.mark.parametrize(
    "listed",
    ["*", "trade.example", "https://trade.example/", "https://Trade.example", "https://a.example,https://b.example/x"],
)
def test_an_origin_that_no_browser_sends_is_refused(listed: str) -> None:
    with pytest.raises(OperatorError, match=r"HFT_CORS_ORIGINS=.* is no origin"):
        load(cors_origins=listed)


def test_origins() -> None:
    listed = "https://a.example, http://127.0.0.1:3000,http://[::1]:3000,"
    assert load(cors_origins=listed).origins == {"https://a.example", "http://127.0.0.1:3000", "http://[::1]:3000"}
