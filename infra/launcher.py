"""`hft up`: brings the whole system up step by step, keeps it up, and takes it down again."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable
from types import FrameType
from typing import Final

from infra import exposure, health, jars, kafka, kafka_security, metrics, node, postgres, quota, redis, services, tls
from infra.errors import OperatorError
from infra.folders import Folders, folders
from infra.migrations import migrate
from infra.ports import check, wanted_ports
from infra.process import Program
from infra.progress import Progress
from infra.secrets import jwt_secret
from infra.services import STAGE_SERVERS
from infra.settings import Settings
from infra.state import RunLock, ServiceState, State, write
from infra.supervisor import Supervisor

log = logging.getLogger(__name__)

TICK_S: Final = 0.2
MEGABYTE: Final = 1_000_000


class Stopped(Exception):
    """The system was told to stop while it was starting."""


class Launcher:
    """One run of the system under one VAR. Used from the main thread, on which the children's lives hang."""

    def __init__(
        self,
        settings: Settings,
        progress: Progress,
        make_program: Callable[[str, Settings, Folders], Program] = services.program,
    ) -> None:
        """Raises `OperatorError` where VAR cannot be used or another launcher has it."""
        self.settings = settings
        self.folders = folders(settings.var)
        self.folders.create()
        self._lock = RunLock.take(self.folders)
        self._progress = progress
        self._program = make_program
        self._stop_signal = 0
        self._unwritten = False
        """Whether the file lags behind the state."""
        self._state = State(pid=os.getpid(), url=settings.gateway)
        self.supervisor = Supervisor(self._publish)

    def install_signals(self) -> None:
        """SIGINT, SIGTERM and a closed terminal ask for a clean stop."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._stop_signal = number

    def _checkpoint(self) -> None:
        if self._stop_signal:
            raise Stopped

    def _publish(self, states: list[ServiceState]) -> None:
        self._state.services = states
        if self._state.phase in ("healthy", "degraded"):
            self._state.phase = "healthy" if self.supervisor.healthy else "degraded"
        try:
            write(self.folders.run, self._state)
            self._unwritten = False
        except OSError as error:  # the disk is full: what runs has to go on all the same
            if not self._unwritten:
                log.warning("what runs cannot be written to %s: %s", self.folders.run, error.strerror)
            self._unwritten = True

    def _enter(self, phase: str, error: str = "") -> None:
        self._state.phase = phase  # type: ignore[assignment]
        self._state.error = error
        self._publish(self.supervisor.states)

    # ------------------------------------------------------------------------------------------------- the run

    def run(self) -> None:
        """Start, watch, stop. Raises `OperatorError` where the system cannot be started (all is stopped by then)."""
        try:
            try:
                self.start()
                self.announce()
                self.watch()
            except Stopped:
                pass
            except OperatorError as error:
                self.stop("failed", str(error))
                raise
            except Exception as error:
                self.stop("failed", f"{type(error).__name__}: {error}")
                raise
            self.stop("stopped")
        finally:
            self.supervisor.stop()
            self._lock.release()

    def start(self) -> None:
        """Everything, in order, each step when the one before it is ready. Raises `OperatorError`, `Stopped`."""
        self._enter("starting")
        metrics.forget(self.folders.metrics)
        exposure.check(self.settings)
        tls.certificate(self.settings)
        quota.division(self.settings)
        check(wanted_ports(self.settings))
        jwt_secret(self.settings.jwt_secret, self.folders.secrets, create=True)
        self._start_kafka()
        self._start_postgres()
        self._start_redis()
        self._create_topics()
        self._create_schema()
        self._start_services("engine")
        workers = services.workers(self.settings)
        self._start_services("schedule", "publisher", *workers, "sink-postgres", "sink-redis", "hashes", "audit")
        self._build_page()
        self._start_services(*services.gateways(self.settings))
        self._bootstrap()
        self._start_market()

    def announce(self) -> None:
        settings = self.settings
        self._progress.line("")
        self._progress.line(f"healthy: {', '.join(settings.gateways)}")
        if settings.demo_password:
            # Only the one that everybody knows is shown: this may end in a log.
            known = settings.demo_password == Settings.model_fields["demo_password"].default
            password = settings.demo_password if known else "as HFT_DEMO_PASSWORD says"
            self._progress.line(f"log in as demo, password {password}")
        self._progress.line("hft status, hft logs and hft down work beside it")
        self._enter("healthy")  # after all is said: who waits for it in front of the log then leaves

    def watch(self) -> None:
        """Keeps it up until told to stop: raises `Stopped`."""
        while True:
            self._checkpoint()
            self.supervisor.tend()
            if self._unwritten:
                self._publish(self.supervisor.states)
            time.sleep(TICK_S)

    def stop(self, phase: str, error: str = "") -> None:
        self._enter("stopping", error)
        started = time.monotonic()
        killed = self.supervisor.stop()
        self._enter(phase, error)
        extra = f"; killed, since they did not end in time: {', '.join(killed)}" if killed else ""
        self._progress.line(f"stopped ({time.monotonic() - started:.1f} s{extra})")

    # ----------------------------------------------------------------------------------------------- the steps

    def _start_kafka(self) -> None:
        settings = self.settings
        with self._progress.step("kafka") as step:
            if settings.kafka_bootstrap:
                health.require_kafka(settings.kafka_bootstrap)
                where = f"{settings.kafka_bootstrap} ({kafka_security.security(settings)})"
                self.supervisor.add_external("kafka", where)
                step.done(f"yours, at {where}")
                return
            class_path = jars.class_path(
                settings.cache.expanduser(),
                mirror=settings.maven_mirror,
                progress=lambda done, total: step.share("downloading Kafka", done, total, f"{total / MEGABYTE:.0f} MB"),
                checkpoint=self._checkpoint,
            )
            program = kafka.program(
                self.folders.kafka,
                settings.kafka_port,
                class_path,
                log_file=self.folders.log("kafka"),
                java_setting=settings.java,
                checkpoint=self._checkpoint,
            )
            self.supervisor.start(program, STAGE_SERVERS, self._checkpoint)
            step.done(f"ready at {settings.bootstrap}")

    def _start_postgres(self) -> None:
        settings = self.settings
        with self._progress.step("postgres") as step:
            if settings.postgres_dsn:
                health.require_postgres(settings.postgres_dsn)
                self.supervisor.add_external("postgres", health.without_password(settings.postgres_dsn))
                step.done(f"yours, at {health.without_password(settings.postgres_dsn)}")
                return
            program = postgres.program(
                self.folders.postgres,
                settings.postgres_port,
                log_file=self.folders.log("postgres"),
                checkpoint=self._checkpoint,
            )
            self.supervisor.start(program, STAGE_SERVERS, self._checkpoint)
            step.done(f"ready at {settings.dsn}")

    def _start_redis(self) -> None:
        settings = self.settings
        with self._progress.step("redis") as step:
            if settings.redis_url:
                health.require_redis(settings.redis_url)
                self.supervisor.add_external("redis", health.without_password(settings.redis_url))
                step.done(f"yours, at {health.without_password(settings.redis_url)}")
                return
            program = redis.program(self.folders.redis, settings.redis_port, log_file=self.folders.log("redis"))
            self.supervisor.start(program, STAGE_SERVERS, self._checkpoint)
            step.done(f"ready at {settings.redis}")

    def _create_topics(self) -> None:
        self._checkpoint()
        settings = self.settings
        with self._progress.step("topics") as step:
            created = kafka.create_topics(
                settings.bootstrap,
                settings.partitions,
                settings.replication_factor,
                min_insync_replicas=settings.min_insync_replicas,
            )
            if division := quota.division(settings):
                kafka.keep_within(settings.bootstrap, division.topics)
            step.done(f"{created} created" if created else "all there")

    def _create_schema(self) -> None:
        self._checkpoint()
        with self._progress.step("schema") as step:
            schema = migrate(self.settings.dsn, history_days=self.settings.history_days)
            migrated = f"{schema.applied} migrations applied, " if schema.applied else ""
            step.done(f"{migrated}version {schema.version}; {schema.kind}")

    def _start_market(self) -> None:
        for chosen, note in (services.market(self.settings), services.venue(self.settings, self.folders)):
            if note:
                self._progress.line(note)
            if chosen is not None:
                self._start_services(chosen)

    def _start_services(self, *names: str) -> None:
        """At the same time: each only needs what was ready before."""
        self._checkpoint()
        for name in names:
            program = self._program(name, self.settings, self.folders)
            self.supervisor.begin(program, services.find(name)[0].stage)
        for name in names:
            self._wait_ready(name)

    def _wait_ready(self, name: str) -> None:
        with self._progress.step(name) as step:
            started = time.monotonic()

            def waiting() -> None:
                self._checkpoint()
                if name == "engine" and time.monotonic() - started > services.COMPILE_NOTICE_S:
                    step.note("compiling the matcher: about a minute, and only once")

            self.supervisor.wait_ready(name, waiting)
            step.done("ready")

    def _build_page(self) -> None:
        self._checkpoint()
        with self._progress.step("page") as step:
            said = node.build(
                node.PAGE,
                self.folders.run / "node",
                setting=self.settings.node,
                log_file=self.folders.log("page"),
                note=step.note,
                checkpoint=self._checkpoint,
            )
            step.done(said)

    def _bootstrap(self) -> None:
        self._checkpoint()
        from infra.bootstrap import bootstrap  # the engine's client is needed no earlier

        settings = self.settings
        with self._progress.step("demo account") as step:
            secret = jwt_secret(settings.jwt_secret, self.folders.secrets)
            bootstrap(settings.dsn, settings.zeromq, secret, settings.demo_password)
            step.done("user demo, account demo" if settings.demo_password else "none: HFT_DEMO_PASSWORD is empty")
