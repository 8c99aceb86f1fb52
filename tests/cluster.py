"""Three real brokers on loopback, one KRaft quorum, each of which can be killed and started again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from infra import kafka
from infra.ports import free_ports
from infra.process import Process

BROKERS: Final = 3


class Cluster:
    """Its brokers are numbered from 0."""

    def __init__(self, folder: Path, class_path: list[Path]) -> None:
        self._ports = free_ports(BROKERS, pairs=True)
        self._programs = [
            kafka.program(
                folder / f"broker-{number}",
                port,
                class_path,
                log_file=folder / f"broker-{number}.log",
                quorum=self._ports,
            )
            for number, port in enumerate(self._ports)
        ]
        self._processes: dict[int, Process] = {}

    @property
    def bootstrap(self) -> str:
        return ",".join(f"127.0.0.1:{port}" for port in self._ports)

    def start(self, *numbers: int) -> None:
        """Starts them and waits until they answer."""
        for number in numbers:
            self._processes[number] = Process(self._programs[number])
        for number in numbers:
            self._processes[number].wait_ready()

    def kill(self, number: int) -> None:
        """kill -9."""
        self._processes.pop(number).kill()

    def running(self) -> int:
        return sum(process.exit_code is None for process in self._processes.values())

    def stop(self) -> None:
        for process in self._processes.values():
            process.signal_stop()
        for process in self._processes.values():
            process.stop()

    def copies_in_sync(self) -> int:
        """Of the partition that has the fewest; 0 where no broker answers."""
        try:
            topics = kafka.admin_client(self.bootstrap).list_topics(timeout=5).topics
        except kafka.KafkaException:
            return 0
        return min((len(p.isrs) for topic in topics.values() for p in topic.partitions.values()), default=0)


@contextmanager
def running_cluster(folder: Path, class_path: list[Path]) -> Iterator[Cluster]:
    cluster = Cluster(folder, class_path)
    try:
        cluster.start(*range(BROKERS))
        yield cluster
    finally:
        cluster.stop()
