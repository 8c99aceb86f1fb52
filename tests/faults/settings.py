"""What the environment says of the fault tests: KILLS, how often the engine is killed, and HFT_SEED."""

from __future__ import annotations

import os
import random
from typing import Final

KILLS: Final = int(os.environ.get("KILLS", "5"))
SEED: Final = int(os.environ.get("HFT_SEED") or random.SystemRandom().randrange(1 << 31))
KILL_LIMIT_S: Final = 90.0
"""The launcher waits for up to 30 s before it starts a process that dies again and again."""
