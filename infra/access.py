"""Tokens for programs."""

from __future__ import annotations

import time
from collections.abc import Sequence

from engine.tokens import ROLES, Identity, issue
from infra.errors import OperatorError
from infra.folders import folders
from infra.secrets import jwt_secret
from infra.settings import Settings


def issue_token(settings: Settings, actor: str, role: str, accounts: Sequence[str], minutes: int | None) -> str:
    """A token signed with the system's secret. Raises `OperatorError`."""
    if role not in ROLES:
        raise OperatorError(f"--role {role}: there are {', '.join(ROLES)}")
    secret = jwt_secret(settings.jwt_secret, folders(settings.var).secrets)
    lifetime_s = 60 * (minutes or settings.token_minutes)
    return issue(secret, Identity(actor, role, tuple(accounts)), now_s=int(time.time()), lifetime_s=lifetime_s)
