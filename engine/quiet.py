"""librdkafka's own log, which repeats itself while a broker is away: our processes say it once, in their own words."""

from __future__ import annotations

import logging
from typing import Final

LIBRDKAFKA: Final = logging.getLogger("librdkafka")
LIBRDKAFKA.setLevel(logging.CRITICAL)
LIBRDKAFKA.propagate = False
LIBRDKAFKA.addHandler(logging.NullHandler())
