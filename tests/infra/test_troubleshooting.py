"""docs/troubleshooting.md has an entry for each message of a command, and each runbook link leads somewhere."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "dashboards" / "grafana" / "alerts.yaml"
PAGE = ROOT / "docs" / "troubleshooting.md"


def template(node: ast.expr) -> str:
    """The text with `…` for what is put in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(template(part) for part in node.values)
    if isinstance(node, ast.BinOp):
        return template(node.left) + template(node.right)
    return "…"


def is_error(node: ast.ClassDef, errors: set[str]) -> bool:
    return any(isinstance(base, ast.Name) and base.id in errors for base in node.bases)


def said(call: ast.Call, inside: ast.AST) -> Iterator[ast.expr]:
    """What an error is made of: its last argument, or what was put into the variable that stands there."""
    last = call.args[-1]
    if not isinstance(last, ast.Name):
        yield last
        return
    for node in ast.walk(inside):
        if isinstance(node, ast.Assign) and any(isinstance(to, ast.Name) and to.id == last.id for to in node.targets):
            yield node.value


def messages() -> Iterator[tuple[str, str]]:
    """(file, template) of every operator's error of infra; benchmarks speak to developers, and what only passes another
    error's text on has nothing of its own to say."""
    trees = {
        path.relative_to(ROOT).as_posix(): ast.parse(path.read_text())
        for path in sorted((ROOT / "infra").rglob("*.py"))
        if path.parent.name != "bench"
    }
    errors = {"OperatorError"}
    for tree in trees.values():
        errors |= {node.name for node in tree.body if isinstance(node, ast.ClassDef) and is_error(node, errors)}
    for path, tree in trees.items():
        for function in ast.walk(tree):
            if not isinstance(function, ast.FunctionDef):
                continue
            for node in ast.walk(function):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in errors:
                    for expression in said(node, function):
                        if re.search(r"[a-z=]", template(expression)):
                            yield path, template(expression)


def warnings() -> Iterator[tuple[str, str]]:
    """(file, template) of every warning and error in the log of a process; not of what only passes others' words on."""
    for folder in ("engine", "streams", "gateway", "infra"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            source = path.read_text()
            if path.parent.name == "bench" or "log." not in source:
                continue
            for node in ast.walk(ast.parse(source)):
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Attribute)
                    and node.func.attr in ("warning", "error", "exception", "critical")
                    and ast.unparse(node.func.value).rpartition(".")[2] in ("log", "_log")
                ):
                    text = re.sub(r"%[.\d]*[a-z]", "…", template(node.args[0]))
                    if re.search(r"[a-z]", text):
                        yield path.relative_to(ROOT).as_posix(), text


ENTRY = re.compile(r"^\| (?:`` (.+?) ``|`(.+?)`) \|", re.MULTILINE)


def entries() -> set[str]:
    return {double or single for double, single in ENTRY.findall(PAGE.read_text())}


def test_each_message_has_its_entry() -> None:
    found = list(messages())
    assert len(found) > 80
    there = entries()
    assert [f"{path}: {text}" for path, text in found if text not in there] == []


def test_each_warning_has_its_entry() -> None:
    found = list(warnings())
    assert len(found) > 40
    there = entries()
    assert [f"{path}: {text}" for path, text in found if text not in there] == []


def test_each_alert_leads_to_its_entry() -> None:
    headings = re.findall(r"^#+ (.+)$", PAGE.read_text(), re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    rules = YAML(typ="safe").load(ALERTS)["groups"][0]["rules"]
    assert len(rules) > 5
    for rule in rules:
        page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
        assert (ROOT / page) == PAGE
        assert anchor in anchors, rule["alert"]
