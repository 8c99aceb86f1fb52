"""When the page is built: with stand-ins for node and npm that write down what they were asked."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from infra import node
from infra.errors import OperatorError

NPM = """#!/bin/sh
echo "$*" >> {diary}
case "$1" in
    ci) mkdir -p node_modules ;;
    run) {build} ;;
esac
"""
BUILD = "mkdir -p dist && cp index.html dist/"
FAIL = "echo 'npm error code ENOTFOUND' >&2; echo 'npm error network is not there' >&2; exit 1"


class Workshop:
    def __init__(self, folder: Path) -> None:
        self.page = folder / "web"
        self.page.mkdir()
        for name, text in (("package.json", "{}"), ("package-lock.json", "{}"), ("index.html", "<html>")):
            (self.page / name).write_text(text)
        self.node = folder / "node"
        self.diary = folder / "diary"
        self.log = folder / "page.log"
        self.version("v22.1.0")
        self.npm(BUILD)

    def version(self, version: str) -> None:
        self.node.write_text(f"#!/bin/sh\necho {version}\n")
        self.node.chmod(0o755)

    def npm(self, build: str) -> None:
        path = self.node.with_name("npm")
        path.write_text(NPM.format(diary=self.diary, build=build))
        path.chmod(0o755)

    def build(self) -> tuple[str, list[str]]:
        """What it says, and what npm was asked to do."""
        self.diary.write_text("")
        said = node.build(self.page, self.page.parent / "tools", setting=str(self.node), log_file=self.log)
        return said, self.diary.read_text().splitlines()


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


def test_built_once_and_again_when_the_sources_change(workshop: Workshop) -> None:
    assert workshop.build() == ("built", ["ci", "run build"])
    assert workshop.build() == ("built before, sources unchanged", [])
    (workshop.page / "index.html").write_text("<html>new")
    assert workshop.build() == ("built", ["run build"])
    (workshop.page / "package-lock.json").write_text('{"name": "new"}')
    assert workshop.build() == ("built", ["ci", "run build"])
    (workshop.page / "dist" / "index.html").unlink()
    assert workshop.build() == ("built", ["run build"])


def test_a_failure_names_npms_cause(workshop: Workshop) -> None:
    workshop.npm(FAIL)
    with pytest.raises(OperatorError) as failure:
        workshop.build()
    assert str(failure.value) == f"the page's `npm run build` failed: network is not there (log: {workshop.log})"
    workshop.npm(BUILD)
    assert workshop.build() == ("built", ["run build"])


def test_no_page_is_no_failure(tmp_path: Path) -> None:
    said = node.build(tmp_path / "web", tmp_path, setting="", log_file=tmp_path / "log")
    assert said == "skipped: there is no web/package.json"


def test_an_old_node_is_refused(workshop: Workshop) -> None:
    workshop.version("v20.18.3")
    with pytest.raises(OperatorError, match=r"is older than Node 20\.19: set HFT_NODE"):
        workshop.build()


def test_what_is_no_node_is_refused(workshop: Workshop) -> None:
    workshop.node.unlink()
    with pytest.raises(OperatorError, match="is not a node: set HFT_NODE"):
        workshop.build()


@pytest.mark.parametrize("name", ["node", "npm", "npx"])
def test_the_wheels_node_is_complete(tmp_path: Path, name: str) -> None:
    environment = {**os.environ, **node._environment(tmp_path / "tools", "")}
    command = (str(tmp_path / "tools" / name), "--version")
    assert subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True).stdout
