"""What may be reached from other machines: nothing that anybody could guess the way into."""

from __future__ import annotations

import ipaddress
from typing import Final

from infra.errors import OperatorError
from infra.settings import Settings

DEMO_PASSWORDS: Final = frozenset({"demo", "password", "changeme", "secret", "admin", "test"})
SHORTEST: Final = 10
FEWEST: Final = 8
"""Different characters of a secret that was not made up by pressing one key."""


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check(settings: Settings) -> None:
    """Raises `OperatorError` where our servers would listen beyond loopback with the demo password or a secret that is
    easily guessed, or with half of what TLS needs."""
    if bool(settings.tls_certificate) != bool(settings.tls_key):
        raise OperatorError("HFT_TLS_CERTIFICATE and HFT_TLS_KEY belong together: set both, or neither")
    if is_loopback(settings.host):
        return
    beyond = f"HFT_HOST={settings.host} listens beyond this machine"
    password = settings.demo_password
    if password and (password.lower() in DEMO_PASSWORDS or len(password) < SHORTEST):
        raise OperatorError(
            f"{beyond}, where everybody can guess the demo user's password: set HFT_DEMO_PASSWORD to one of {SHORTEST} "
            "characters or more, or to nothing for no demo user"
        )
    secret = settings.jwt_secret
    if secret and len(set(secret)) < FEWEST:
        raise OperatorError(f"{beyond}, and HFT_JWT_SECRET can be guessed: leave it empty, or take a random one")
