"""The runbook: an entry per alert, with queries and commands that exist."""

import re

import promql_parser
import pytest
from monitoring.rule import RUNBOOK, RecordingRule
from monitoring.rules import build_groups, list_alerts

from documents import ROOT, extract_blocks
from servicio_ml.cli.app import app

PAGE = ROOT / RUNBOOK
HEADINGS = ["Meaning", "Impact", "Diagnosis", "Mitigation"]
ENTRIES = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.DOTALL | re.MULTILINE))
ALERTS = [alert.name for alert in list_alerts(build_groups())]
RECORDS = {rule.name for group in build_groups() for rule in group.rules if isinstance(rule, RecordingRule)}
SOURCES = [
    *sorted((ROOT / "servicio-ml" / "src" / "servicio_ml" / "serving").rglob("*.py")),
    ROOT / "monitoring" / "statsd" / "mapping.yaml",
]
EXPORTED = {word for path in SOURCES for word in re.findall(r"\b[a-z]\w+\b", path.read_text())}


def test_each_alert_has_one_entry() -> None:
    assert sorted(re.findall(r"^## (.+)$", PAGE.read_text(), re.MULTILINE)) == sorted(ALERTS)


@pytest.mark.parametrize("name", ALERTS)
def test_an_entry_has_its_four_parts(name: str) -> None:
    parts = re.split(r"^### (.+)$", ENTRIES[name], flags=re.MULTILINE)[1:]
    assert parts[::2] == HEADINGS
    assert all(part.strip() for part in parts[1::2])


@pytest.mark.parametrize(
    "query", sorted({line for block in extract_blocks(PAGE, "promql") for line in block.splitlines()})
)
def test_a_query_is_valid_and_asks_for_what_exists(query: str) -> None:
    promql_parser.parse(query)
    plain = re.sub(r'"[^"]*"|\{[^}]*\}|\[[^]]*\]|(by|on) \([^)]*\)', "", query)
    names = {name for name in re.findall(r"[a-zA-Z_:][\w:]*", plain) if ":" in name or "_" in name}
    assert names - {"group_left"} <= RECORDS | EXPORTED


def test_the_commands_exist() -> None:
    given = {each.name for each in app.registered_commands} | {each.name for each in app.registered_groups}
    assert {*re.findall(r"servicio-ml ([a-z-]+)", PAGE.read_text())} <= given


def test_the_addresses_exist() -> None:
    source = "".join(path.read_text() for path in SOURCES)
    paths = re.findall(r'"\$API(?:/models/\$MODEL)?(/[a-z/]+)', PAGE.read_text())
    assert paths
    assert all(f'{path}"' in source for path in paths)
