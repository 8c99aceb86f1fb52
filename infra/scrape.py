"""What the processes tell of themselves, read from their metrics ports: for `hft status` and `hft top`."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

TIMEOUT_S: Final = 2.0


@dataclass
class Scrape:
    """The samples of all processes at one time."""

    at_s: float
    samples: dict[str, list[tuple[str, Sample]]] = field(default_factory=dict)
    """Name → (process, sample) of each."""
    silent: list[str] = field(default_factory=list)
    """Processes that did not answer."""

    def add(self, process: str, text: str) -> None:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                self.samples.setdefault(sample.name, []).append((process, sample))

    def matching(self, name: str, **labels: str) -> Iterator[tuple[str, Sample]]:
        """`process` may be among the labels."""
        wanted = labels.pop("process", None)
        for process, sample in self.samples.get(name, ()):
            if wanted in (None, process) and all(sample.labels.get(key) == value for key, value in labels.items()):
                yield process, sample

    def total(self, name: str, **labels: str) -> float | None:
        """The sum over all that match; None where there is none."""
        values = [sample.value for _, sample in self.matching(name, **labels)]
        return sum(values) if values else None

    def by(self, name: str, label: str, **labels: str) -> dict[str, float]:
        """The sum by a label's value (`process` is one too)."""
        found: dict[str, float] = {}
        for process, sample in self.matching(name, **labels):
            key = process if label == "process" else sample.labels.get(label, "")
            found[key] = found.get(key, 0.0) + sample.value
        return found

    def told(self, name: str, *labels: str) -> dict[tuple[str, ...], float]:
        """By the labels' values, of what several processes tell alike, as all gateways do of positions and accounts."""
        return {tuple(sample.labels[label] for label in labels): sample.value for _, sample in self.matching(name)}

    def buckets(self, name: str, **labels: str) -> dict[float, float]:
        """Upper bound → how many were at or below it."""
        return {float(bound): count for bound, count in self.by(f"{name}_bucket", "le", **labels).items()}


def quantile(part: float, now: Mapping[float, float], before: Mapping[float, float] | None = None) -> float | None:
    """What `part` of the values of a histogram lie at or below, within their bucket by a straight line; of those that
    came after `before`. None where there are none."""
    counts = sorted((bound, count - (before or {}).get(bound, 0.0)) for bound, count in now.items())
    total = counts[-1][1] if counts else 0.0
    if total <= 0:
        return None
    rank, below, lower = part * total, 0.0, 0.0
    for bound, count in counts:
        if count >= rank:
            if bound == float("inf"):
                return lower
            return lower + (bound - lower) * ((rank - below) / (count - below) if count > below else 1.0)
        below, lower = count, bound
    return lower


def read(addresses: Mapping[str, str], now_s: float) -> Scrape:
    """Asks each process (name → `host:port`)."""
    scrape = Scrape(now_s)
    for process, address in addresses.items():
        try:
            with urllib.request.urlopen(f"http://{address}/metrics", timeout=TIMEOUT_S) as answer:
                scrape.add(process, answer.read().decode())
        except (urllib.error.URLError, OSError, ValueError):
            scrape.silent.append(process)
    return scrape


def increase(name: str, now: Scrape, before: Scrape | None, **labels: str) -> float | None:
    """A counter's growth a second between two scrapes; None before there are two, or after a restart."""
    if before is None or now.at_s <= before.at_s:
        return None
    new, old = now.total(name, **labels), before.total(name, **labels)
    if new is None or old is None or new < old:
        return None
    return (new - old) / (now.at_s - before.at_s)


def duration_text(seconds: float | None) -> str:
    """0.0000123 → "12.3 µs"."""
    if seconds is None:
        return "–"
    for limit, factor, unit in ((1e-3, 1e6, "µs"), (1.0, 1e3, "ms")):
        if seconds < limit:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds:.3g} s"


def families(texts: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Name → (type, help) of all metrics of ours that the texts tell."""
    found: dict[str, tuple[str, str]] = {}
    for text in texts:
        for family in text_string_to_metric_families(text):
            if family.name.startswith("hft_"):
                found[family.name] = family.type, family.documentation
    return found
