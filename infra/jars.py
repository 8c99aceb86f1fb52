"""Kafka's class path: 46 jars from Maven Central, by a lock of coordinates, sizes and sha256 sums.

Every start verifies what lies in the cache, and fetches again what is missing or damaged.
`python -m infra.jars` (`make lock`) resolves the dependencies anew and writes the lock.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Final, NamedTuple

from jgo.env import EnvironmentBuilder, LinkStrategy
from jgo.maven import MavenContext, PythonResolver
from requests.exceptions import SSLError

from infra.errors import OperatorError

ENDPOINT: Final = "org.apache.kafka:kafka_2.13:4.3.0+org.slf4j:slf4j-simple:1.7.36"
"""What is asked for: slf4j-simple stays at 1.7, for which Kafka's slf4j-api is made."""
LOCK: Final = Path(__file__).with_name("kafka.lock")
THREADS: Final = 8
TIMEOUT_S: Final = 60

Progress = Callable[[int, int], None]
"""Called with the bytes done and the bytes in all."""


class Jar(NamedTuple):
    group: str
    artifact: str
    version: str
    sha256: str
    size: int

    @property
    def coordinates(self) -> str:
        return f"{self.group}:{self.artifact}:{self.version}"

    def path(self, repository: Path) -> Path:
        """Where a Maven repository folder keeps it."""
        folder = repository.joinpath(*self.group.split("."), self.artifact, self.version)
        return folder / f"{self.artifact}-{self.version}.jar"


def read_lock(path: Path = LOCK) -> list[Jar]:
    """The jars of the lock file: a line each of coordinates, sha256 and size in bytes."""
    jars = []
    for line in path.read_text().splitlines():
        if line and not line.startswith("#"):
            coordinates, sha256, size = line.split()
            group, artifact, version = coordinates.split(":")
            jars.append(Jar(group, artifact, version, sha256.removeprefix("sha256:"), int(size)))
    return jars


def kafka_version() -> str:
    """Of the broker in the lock."""
    return next(jar.version for jar in read_lock() if jar.artifact.startswith("kafka_"))


def is_good(jar: Jar, repository: Path) -> bool:
    path = jar.path(repository)
    if not path.is_file() or path.stat().st_size != jar.size:
        return False
    return _sha256(path) == jar.sha256


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def class_path(
    cache: Path,
    *,
    mirror: str = "",
    progress: Progress = lambda done, total: None,
    checkpoint: Callable[[], None] = lambda: None,
    lock: Path = LOCK,
) -> list[Path]:
    """The verified jars under `cache`, fetched where they are missing or damaged.

    `mirror` is the URL of a Maven repository, empty for Maven Central. `checkpoint` is called while waiting and may
    raise to give up. Raises `OperatorError` where a jar cannot be had."""
    jars = read_lock(lock)
    repository = cache / "maven"
    try:
        repository.mkdir(parents=True, exist_ok=True)
        with (repository / ".lock").open("a") as guard:
            fcntl.flock(guard, fcntl.LOCK_EX)
            bad = [jar for jar in jars if not is_good(jar, repository)]
            if bad:
                _fetch_all(bad, repository, mirror, progress, checkpoint)
    except OSError as error:
        raise OperatorError(f"the folder for downloads cannot be used: {error}: set HFT_CACHE") from None
    return [jar.path(repository) for jar in jars]


def _fetch_all(
    jars: list[Jar], repository: Path, mirror: str, progress: Progress, checkpoint: Callable[[], None]
) -> None:
    total = sum(jar.size for jar in jars)
    done = 0
    counting = Lock()

    @contextmanager
    def count(name: str, size: int) -> Iterator[Callable[[int], None]]:
        def update(count_bytes: int) -> None:
            nonlocal done
            with counting:
                done += count_bytes

        yield update

    context = MavenContext(
        resolver=PythonResolver(progress_callback=count),
        repo_cache=repository,
        remote_repos={"mirror": mirror.rstrip("/")} if mirror else None,
        timeout=TIMEOUT_S,
    )
    pool = ThreadPoolExecutor(THREADS)
    try:
        pending: set[Future[None]] = {pool.submit(_fetch, jar, repository, context) for jar in jars}
        while pending:
            finished, pending = wait(pending, timeout=0.1, return_when=FIRST_COMPLETED)
            progress(min(done, total), total)
            checkpoint()
            for future in finished:
                future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _fetch(jar: Jar, repository: Path, context: MavenContext) -> None:
    path = jar.path(repository)
    path.unlink(missing_ok=True)
    try:
        context.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve()
    except (OSError, RuntimeError) as error:  # requests' errors are OSErrors
        cause = str(error).splitlines()[0][:200]
        if isinstance(error, SSLError):
            raise OperatorError(
                f"Kafka's {jar.coordinates} cannot be downloaded ({cause}): where a proxy signs with certificates of "
                "its own, set REQUESTS_CA_BUNDLE to a PEM file of them, or HFT_KAFKA_BOOTSTRAP to a Kafka of your own"
            ) from None
        raise OperatorError(
            f"Kafka's {jar.coordinates} cannot be downloaded ({cause}): give the machine access to Maven Central, set "
            "HFT_MAVEN_MIRROR to a mirror of it, or HFT_KAFKA_BOOTSTRAP to a Kafka of your own"
        ) from None
    if not is_good(jar, repository):
        path.unlink(missing_ok=True)
        raise OperatorError(
            f"Kafka's {jar.coordinates} came with another sha256 than infra/kafka.lock has: nothing was started"
        )


def write_lock(path: Path = LOCK) -> int:
    """Resolves `ENDPOINT` anew and writes the lock; the number of jars."""
    with tempfile.TemporaryDirectory() as folder:
        repository = Path(folder) / "maven"
        context = MavenContext(resolver=PythonResolver(), repo_cache=repository, timeout=TIMEOUT_S)
        builder = EnvironmentBuilder(context=context, cache_dir=Path(folder) / "links", link_strategy=LinkStrategy.HARD)
        builder.from_endpoint(ENDPOINT, update=True)
        lines = []
        for jar in repository.rglob("*.jar"):
            *group, artifact, version, _ = jar.relative_to(repository).parts
            size = jar.stat().st_size
            lines.append(f"{'.'.join(group)}:{artifact}:{version} sha256:{_sha256(jar)} {size}")
    head = f"# The jars of {ENDPOINT}: coordinates, sha256, bytes.\n# Written by: make lock\n"
    path.write_text(head + "".join(f"{line}\n" for line in sorted(lines)))
    return len(lines)


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    sys.stdout.write(f"{write_lock()} jars → {LOCK.name}\n")
