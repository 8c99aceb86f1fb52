"""What lies where under VAR, the one folder of all state."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from infra.errors import OperatorError


@dataclass(frozen=True)
class Folders:
    var: Path
    number: int = 1
    """Of a service of which there are several, the one that is meant."""

    @property
    def kafka(self) -> Path:
        return self.var / "kafka"

    @property
    def postgres(self) -> Path:
        return self.var / "postgres"

    @property
    def redis(self) -> Path:
        return self.var / "redis"

    @property
    def journal(self) -> Path:
        return self.var / "journal"

    @property
    def streams(self) -> Path:
        return self.var / "streams" / str(self.number)

    @property
    def audit(self) -> Path:
        """What the topic `audit` does not have yet, one file for each gateway."""
        return self.var / "audit"

    @property
    def logs(self) -> Path:
        return self.var / "logs"

    @property
    def run(self) -> Path:
        """Of the run that goes on: the lock, the state, the children's ready marks."""
        return self.var / "run"

    @property
    def secrets(self) -> Path:
        return self.var / "secrets"

    @property
    def metrics(self) -> Path:
        """One file for each process: where its metrics are, as Prometheus' file discovery reads it."""
        return self.run / "metrics"

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def mark(self, name: str) -> Path:
        """The file that a child touches when it is ready."""
        return self.run / f"{name}.ready"

    def create(self) -> None:
        """Raises `OperatorError` where VAR cannot be written."""
        try:
            for folder in (self.var, self.journal, self.streams, self.logs, self.run):
                folder.mkdir(parents=True, exist_ok=True)
            self.secrets.mkdir(mode=0o700, exist_ok=True)
            trial = self.run / ".trial"
            trial.touch()
            trial.unlink()
        except OSError as error:
            raise OperatorError(f"{self.var} cannot be written ({error.strerror}): set HFT_VAR") from None


def folders(var: Path, number: int = 1) -> Folders:
    return Folders(var.expanduser().absolute(), number)
