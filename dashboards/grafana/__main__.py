"""`python -m dashboards.grafana`: writes every dashboard's JSON, which Grafana is provisioned with."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from dashboards.grafana.declared import BOARDS

FOLDER: Final = Path(__file__).with_name("boards")


def texts() -> dict[str, str]:
    """File name → its content."""
    encoder = JSONEncoder(indent=1, sort_keys=True)
    return {f"{name}.json": encoder.encode(make().build()) + "\n" for name, make in BOARDS.items()}


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for file, text in texts().items():
        (FOLDER / file).write_text(text)
