"""`hft doctor`: each check on a made-up /proc and /sys, and the whole command on this machine."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from infra.doctor import clock, disk, processes, secrecy, servers, sysctl
from infra.doctor.checks import text
from infra.doctor.command import doctor
from infra.doctor.finding import Finding
from infra.doctor.machine import Machine, numbers
from infra.folders import folders
from infra.ports import free_ports
from infra.settings import Settings
from infra.state import ServiceState, State

MEMINFO = "MemTotal: 16000000 kB\nMemAvailable: 8000000 kB\nSwapTotal: {swap} kB\n"


class FakeMachine:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.put("proc/meminfo", MEMINFO.format(swap=0))

    def put(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")

    def finding(self, check: str, *, engine_cpu: int | None = None, memory: int = 0) -> Finding:
        found = Machine(self.root, engine_cpu, memory).findings()
        return next(finding for finding in found if finding.check == check)


@pytest.fixture
def machine(tmp_path: Path) -> FakeMachine:
    return FakeMachine(tmp_path)


def test_the_kernels_lists_of_numbers() -> None:
    assert numbers("0-3,8") == {0, 1, 2, 3, 8}
    assert numbers("") == set()


@pytest.mark.parametrize(
    ("governors", "verdict"),
    [((), "unknown"), (("performance", "performance"), "ok"), (("performance", "powersave"), "advice")],
)
def test_governor(machine: FakeMachine, governors: tuple[str, ...], verdict: str) -> None:
    for number, governor in enumerate(governors):
        machine.put(f"sys/devices/system/cpu/cpu{number}/cpufreq/scaling_governor", governor)
    assert machine.finding("processor governor").verdict == verdict


def test_an_isolated_processor_is_only_good_with_the_engine_on_it(machine: FakeMachine) -> None:
    machine.put("sys/devices/system/cpu/isolated", "2-3")
    assert machine.finding("processor isolation", engine_cpu=2).verdict == "ok"
    assert machine.finding("processor isolation", engine_cpu=1).verdict == "advice"
    assert machine.finding("processor isolation").mend == "HFT_ENGINE_CPU=2"


def test_interrupts_on_the_engines_processor(machine: FakeMachine) -> None:
    machine.put("proc/irq/default_smp_affinity", "00000000,0000000b")
    assert machine.finding("interrupts", engine_cpu=2).verdict == "ok"
    assert machine.finding("interrupts", engine_cpu=1).verdict == "advice"


def test_numa_nodes(machine: FakeMachine) -> None:
    assert machine.finding("NUMA").verdict == "unknown"
    machine.put("sys/devices/system/node/node0/cpulist", "0-1")
    assert machine.finding("NUMA").verdict == "ok"
    machine.put("sys/devices/system/node/node1/cpulist", "2-3")
    assert machine.finding("NUMA").verdict == "advice"
    assert "node1" in machine.finding("NUMA", engine_cpu=3).found
    assert machine.finding("NUMA", engine_cpu=9).verdict == "problem"


@pytest.mark.parametrize(
    ("modes", "verdict"),
    [("always [madvise] never", "ok"), ("[always] madvise never", "advice"), ("always madvise [never]", "advice")],
)
def test_huge_pages(machine: FakeMachine, modes: str, verdict: str) -> None:
    machine.put("sys/kernel/mm/transparent_hugepage/enabled", modes)
    assert machine.finding("transparent huge pages").verdict == verdict


def test_memory_for_the_orders_there_is_room_for(machine: FakeMachine) -> None:
    assert machine.finding("memory", memory=10**9).verdict == "ok"
    assert machine.finding("memory", memory=10**10).verdict == "problem"


def test_locked_memory_has_no_limit_for_who_may_lock_all(machine: FakeMachine) -> None:
    machine.put("proc/self/status", "Name:\tx\nCapEff:\t0000000000004000")
    assert "CAP_IPC_LOCK" in machine.finding("locked memory", memory=10**15).found
    machine.put("proc/self/status", "Name:\tx\nCapEff:\t0000000000000400")
    assert "CAP_IPC_LOCK" not in machine.finding("locked memory", memory=10**15).found


def test_swap_counts_only_where_the_kernel_likes_to_use_it(machine: FakeMachine) -> None:
    assert machine.finding("swap").verdict == "ok"
    machine.put("proc/meminfo", MEMINFO.format(swap=1_000_000))
    machine.put("proc/sys/vm/swappiness", "60")
    assert machine.finding("swap").verdict == "advice"
    machine.put("proc/sys/vm/swappiness", "1")
    assert machine.finding("swap").verdict == "ok"


def test_a_slow_clock_and_the_command_for_a_better_one(machine: FakeMachine) -> None:
    folder = "sys/devices/system/clocksource/clocksource0"
    machine.put(f"{folder}/current_clocksource", "hpet")
    machine.put(f"{folder}/available_clocksource", "tsc hpet acpi_pm")
    assert machine.finding("clock source").mend.startswith("echo tsc > ")
    machine.put(f"{folder}/current_clocksource", "tsc")
    assert machine.finding("clock source").verdict == "ok"


# ---------------------------------------------------------------------------------------------------------- sysctl


def test_every_parameter_of_the_file_says_what_it_is_for() -> None:
    parameters = sysctl.wanted()
    assert len(parameters) > 10
    assert [parameter.name for parameter in parameters if not parameter.why] == []
    assert not {parameter.name for parameter in parameters} & sysctl.GONE.keys()


def test_sizes_may_be_larger_and_switches_must_be_as_asked(machine: FakeMachine) -> None:
    machine.put("proc/sys/net/core/rmem_max", "99999999")
    machine.put("proc/sys/vm/swappiness", "60")
    machine.put("proc/sys/net/ipv4/tcp_rmem", "4096\t131072\t33554432")
    wanted = [
        sysctl.Parameter("net.core.rmem_max", "33554432", "why"),
        sysctl.Parameter("vm.swappiness", "1", "why"),
        sysctl.Parameter("net.ipv4.tcp_rmem", "4096 131072 33554432", "why"),
        sysctl.Parameter("net.core.not_here", "1", "why"),
    ]
    verdicts = [finding.verdict for finding in sysctl.findings(machine.root, wanted)]
    assert verdicts == ["ok", "advice", "ok", "unknown"]


def test_the_docs_name_every_parameter_that_is_gone() -> None:
    page = (Path(__file__).parents[2] / "docs" / "tuning.md").read_text()
    assert [name for name in sysctl.GONE if f"| `{name}` |" not in page] == []


def test_parameters_that_newer_kernels_do_not_have_are_told(machine: FakeMachine) -> None:
    machine.put("etc/sysctl.d/10-old.conf", "kernel.sched_latency_ns = 1000000\nnet.ipv4.tcp_low_latency=1\n")
    machine.put("proc/sys/net/ipv4/tcp_low_latency", "0")  # a kernel that still has this one
    [finding] = sysctl.findings(machine.root, [])
    assert finding.check == "kernel.sched_latency_ns"
    assert finding.found == "set in /etc/sysctl.d/10-old.conf"
    assert "/sys/kernel/debug/sched/base_slice_ns" in finding.mend


# ------------------------------------------------------------------------------------------------ disk, clock, secrets

MOUNTS = "/dev/a / ext4 rw 0 0\ntmpfs /fast tmpfs rw 0 0\nhost:/x /far\\040away nfs4 rw 0 0\n"


@pytest.mark.parametrize(
    ("folder", "kind"), [("/srv/hft", "ext4"), ("/fast/hft", "tmpfs"), ("/fasting", "ext4"), ("/far away/x", "nfs4")]
)
def test_the_file_system_of_a_folder(folder: str, kind: str) -> None:
    found = disk.kind_of(Path(folder), MOUNTS)
    assert found is not None
    assert found[1] == kind


def test_syncs_are_measured_and_judged(tmp_path: Path) -> None:
    taken = disk.sync_latencies(tmp_path, 5)
    assert len(taken) == 5
    assert list(tmp_path.iterdir()) == []
    assert disk.judge_syncs([100] * 100).verdict == "ok"
    assert disk.judge_syncs([100] * 98 + [50_000, 60_000]).verdict == "advice"


def test_a_clock_is_only_called_wrong_beyond_what_the_round_trip_hides() -> None:
    assert clock.skew("clock", (10.0, 10.001, 10.002)).verdict == "ok"
    assert clock.skew("clock", (10.0, 10.4, 11.0)).verdict == "ok"
    assert clock.skew("clock", (10.0, 12.0, 10.002)).verdict == "problem"


@pytest.mark.parametrize(
    ("host", "password", "verdict"),
    [
        ("127.0.0.1", "demo", "ok"),
        ("localhost", "demo", "ok"),
        ("::1", "demo", "ok"),
        ("0.0.0.0", "demo", "problem"),
        ("0.0.0.0", "another", "ok"),
        ("0.0.0.0", "", "ok"),
    ],
)
def test_the_known_demo_password(tmp_path: Path, host: str, password: str, verdict: str) -> None:
    first = next(secrecy.findings(host, password, "demo", tmp_path / "none", tmp_path / "none"))
    assert first.verdict == verdict


def test_secrets_that_others_can_read(tmp_path: Path) -> None:
    env = tmp_path / ".env"
    env.write_text("HFT_JWT_SECRET=x\n")
    env.chmod(0o644)
    *_, finding = secrecy.findings("127.0.0.1", "", "demo", tmp_path / "none", env)
    assert finding.mend == f"chmod 600 {env}"


# -------------------------------------------------------------------------------------------- the whole command


def test_servers_that_answer(postgres_dsn: str, redis_url: str) -> None:
    found = servers.Servers("127.0.0.1:1", postgres_dsn, redis_url, running=False)
    verdicts = {finding.check: finding for finding in found.findings()}
    assert verdicts["Postgres"].found.startswith("PostgreSQL 18")
    assert verdicts["Redis"].found.startswith("Redis 6")
    assert "nobody answers" in verdicts["Kafka"].found
    for read in (found.postgres_clock, found.redis_clock):
        assert clock.skew("clock", read()).verdict == "ok"


def test_servers_that_do_not_answer() -> None:
    """Our own should while `hft up` runs, those of somebody else always."""
    addresses = ("127.0.0.1:1", "postgresql://x@127.0.0.1:1/x", "redis://127.0.0.1:1/0")
    ours = servers.Servers(*addresses, running=True)
    assert [finding.mend for finding in ours.findings()] == ["hft logs kafka", "hft logs postgres", "hft logs redis"]
    theirs = servers.Servers(*addresses, running=False, own=["HFT_REDIS_URL"])
    assert theirs._away("Redis", "there", "HFT_REDIS_URL").mend == "start it, or correct HFT_REDIS_URL"
    assert theirs._away("Kafka", "there", "HFT_KAFKA_BOOTSTRAP").verdict == "ok"


def test_processes_that_are_down_are_named_with_their_logs() -> None:
    up = ServiceState(name="engine", state="ready", restarts=2)
    assert processes.processes(State(pid=1, services=[up])).found == "all 1 ready; engine started 2 times more"
    down = ServiceState(name="publisher", state="restarting", detail="publisher was ended by SIGKILL")
    found = processes.processes(State(pid=1, services=[up, down]))
    assert (found.verdict, found.found) == ("problem", "publisher is restarting")
    assert (found.why, found.mend) == ("publisher was ended by SIGKILL", "hft logs publisher")


def test_a_gateway_that_does_not_answer(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, gateway_port=free_ports(1)[0])  # type: ignore[call-arg]
    found = processes.gateway("gateway-2", settings.gateway, settings)
    assert (found.verdict, found.mend) == ("problem", "hft logs gateway-2")
    assert [one.verdict for one in processes.findings(settings, folders(tmp_path), None)] == ["ok"]
    elsewhere = settings.model_copy(update={"kafka_bootstrap": "127.0.0.1:1", "var": tmp_path})
    found = [(one.check, one.verdict) for one in processes.findings(elsewhere, folders(tmp_path), None)]
    assert found == [("processes", "ok"), ("engine", "unknown"), ("gateway", "unknown")]


def test_the_command_gives_json_with_every_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HFT_VAR", str(tmp_path / "var"))
    result = CliRunner().invoke(doctor, ["--json"])
    found = msgspec.json.decode(result.output, type=list[Finding])
    assert {"disk sync", "Kafka", "vm.swappiness", "demo login", "clock synchronisation"} <= {f.check for f in found}
    assert result.exit_code == int(any(finding.verdict == "problem" for finding in found))
    assert all(finding.why for finding in found if finding.verdict != "ok")
    assert all(finding.mend for finding in found if finding.verdict in ("advice", "problem"))
    assert not (tmp_path / "var").exists()


def test_problems_come_first() -> None:
    found = [
        Finding(check="a", verdict="advice", found="slow", why="late", mend="do"),
        Finding(check="b", verdict="problem", found="broken", why="lost", mend="mend"),
        Finding(check="c", verdict="ok", found="fine"),
    ]
    lines = text(found, everything=False).splitlines()
    assert lines[0].startswith("PROBLEM")
    assert lines[-1] == "3 checks: 1 ok, 1 could be better, 1 problems, 0 not known here"
    assert "fine" not in "".join(lines)
