"""Every PromQL expression is accepted by the grammar of Prometheus 3."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml
from monitoring.rule import RUNBOOK

from documents import ROOT, extract_blocks
from grafana.preview import variables
from npm_packages import make_packages

BOARDS = sorted((ROOT / "grafana" / "dashboards").glob("*.json"))
RULES = sorted((ROOT / "monitoring").rglob("rules/*.yaml"))


@pytest.fixture(scope="module")
def parser() -> Path:
    return make_packages("promql")


def _list_refused(parser: Path, expressions: list[str]) -> list[str]:
    done = subprocess.run(
        ["node", "parse.js"], input=json.dumps(expressions), cwd=parser, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    refused: list[str] = json.loads(done.stdout)
    return refused


def _list_rules() -> list[str]:
    documents = [yaml.safe_load(path.read_text()) for path in RULES]
    return [rule["expr"] for each in documents for group in each["groups"] for rule in group["rules"]]


def _list_queries_of_boards() -> list[str]:
    found = []
    for path in BOARDS:
        board = json.loads(path.read_text())
        values = dict(variables.PLACEHOLDERS) | {each["name"]: "any" for each in board["templating"]["list"]}
        queries = [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]
        queries += [each["expr"] for each in board["annotations"].get("list", ())]
        found += [variables.replace_variables(each, values) for each in queries]
    return found


def _list_queries_of_runbook() -> list[str]:
    return [line for block in extract_blocks(ROOT / RUNBOOK, "promql") for line in block.splitlines()]


def test_every_expression_is_of_the_grammar(parser: Path) -> None:
    rules, boards, runbook = _list_rules(), _list_queries_of_boards(), _list_queries_of_runbook()
    assert min(map(len, (rules, boards, runbook))) > 10
    assert _list_refused(parser, [*rules, *boards, *runbook]) == []


def test_what_is_no_promql_is_refused(parser: Path) -> None:
    wrong = ["sum(up", "rate(up[5x])", "sum by job (up)", "up offset"]
    assert _list_refused(parser, ["sum by (job) (up)", *wrong]) == wrong
