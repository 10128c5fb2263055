"""The committed dashboards: as generated, readable by Grafana's SDK, made of what exists."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser as promql
import pytest
import yaml
from grafana.board import PREFIX, to_document
from grafana.generate import FOLDER, build_documents, to_text
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from documents import ROOT
from grafana.preview import variables
from known_metrics import find_labels

COMMITTED = {path.name: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}
UIDS = {board["uid"] for board in COMMITTED.values()}
OWN = {variables.RATE_INTERVAL, variables.INTERVAL, variables.RANGE}
GRID_COLUMNS = 24

pytestmark = pytest.mark.parametrize("name", COMMITTED)


def _list_panels(name: str) -> list[dict[str, Any]]:
    return [panel for panel in COMMITTED[name]["panels"] if panel["type"] != "row"]


def _list_expressions(name: str) -> Iterator[tuple[str, str]]:
    """Where it stands, and the expression with a value for each variable."""
    board = COMMITTED[name]
    values = dict(variables.PLACEHOLDERS)
    values |= {each["name"]: "any" for each in board["templating"]["list"]}
    for panel in _list_panels(name):
        for target in panel["targets"]:
            yield panel["title"], variables.replace_variables(target["expr"], values)
    for event in board["annotations"].get("list", ()):
        yield event["name"], variables.replace_variables(event["expr"], values)


def _list_selectors(expression: str) -> list[promql.VectorSelector]:
    found: list[promql.VectorSelector] = []

    def visit(node: object) -> bool:
        if isinstance(node, promql.VectorSelector):
            found.append(node)
        elif isinstance(node, promql.MatrixSelector):
            found.append(node.vector_selector)
        return True

    promql.walk(promql.parse(expression), visit)
    return found


def _list_grouping_labels(expression: str) -> set[str]:
    """Labels by which it groups or matches."""
    found: set[str] = set()

    def visit(node: object) -> bool:
        if isinstance(node, promql.AggregateExpr) and node.modifier is not None:
            found.update(node.modifier.labels)
        elif isinstance(node, promql.BinaryExpr) and node.modifier is not None:
            matching = node.modifier.matching
            found.update(matching.labels if matching is not None else ())
            found.update(node.modifier.group_labels or ())
        return True

    promql.walk(promql.parse(expression), visit)
    return found


def test_it_is_as_generated(name: str) -> None:
    assert (FOLDER / name).read_text() == to_text(build_documents()[name]), "run python -m grafana.generate"


def test_grafanas_sdk_reads_and_writes_it_unchanged(name: str) -> None:
    register_default_plugins()
    assert to_document(Dashboard.from_json(COMMITTED[name])) == COMMITTED[name]


def test_every_expression_is_promql(name: str) -> None:
    for place, expression in _list_expressions(name):
        try:
            promql.parse(expression)
        except ValueError as error:
            pytest.fail(f"{place}: {error}: {expression}")


def test_only_what_exists_is_asked_for(name: str) -> None:
    for place, expression in _list_expressions(name):
        available: set[str] = set(re.findall(r'label_replace\(.*?, "(\w+)", ', expression))
        for selector in _list_selectors(expression):
            assert selector.name, (place, expression)
            labels = find_labels(selector.name)
            assert labels is not None, f"{place}: nothing exports {selector.name}"
            assert {each.name for each in selector.matchers.matchers} <= labels, (place, selector.name)
            available |= labels
        assert _list_grouping_labels(expression) <= available, (place, expression)


def test_every_variable_is_chosen_at_the_top(name: str) -> None:
    known = {each["name"] for each in COMMITTED[name]["templating"]["list"]} | OWN
    for panel in _list_panels(name):
        texts = [panel["title"], *(target["expr"] for target in panel["targets"])]
        assert variables.find_variables(" ".join(texts)) <= known, panel["title"]


def test_variables_are_values_of_labels_that_exist(name: str) -> None:
    for each in COMMITTED[name]["templating"]["list"]:
        if each["type"] == "query":
            asked = re.fullmatch(r"label_values\((\w+)(?:\{.*\})?, (\w+)\)", each["query"]["query"])
            assert asked is not None, each["name"]
            labels = find_labels(asked[1])
            assert labels is not None, asked[1]
            assert asked[2] in labels, each["name"]


def test_every_panel_says_what_it_shows(name: str) -> None:
    for panel in _list_panels(name):
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["targets"], panel["title"]
        refs = [target["refId"] for target in panel["targets"]]
        assert len(set(refs)) == len(refs), panel["title"]


def test_titles_and_ids_are_unique(name: str) -> None:
    ids = [panel["id"] for panel in COMMITTED[name]["panels"]]
    assert len(set(ids)) == len(ids)
    titles = [panel["title"] for panel in _list_panels(name)]
    assert len(set(titles)) == len(titles)


def test_no_panel_lies_over_another(name: str) -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in COMMITTED[name]["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= GRID_COLUMNS, panel["title"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in taken, f"{panel['title']} lies over {taken[x, y]}"
                taken[x, y] = panel["title"]


def test_the_uid_is_that_of_the_file(name: str) -> None:
    assert COMMITTED[name]["uid"] == PREFIX + Path(name).stem
    assert len(UIDS) == len(COMMITTED)


def test_every_link_leads_somewhere(name: str) -> None:
    raw = (FOLDER / name).read_text()
    boards = set(re.findall(r"/d/([\w-]+)", raw))
    assert boards
    assert boards <= UIDS
    page = (ROOT / "docs" / "runbook.md").read_text().lower()
    entries = set(re.findall(r"^#+ (\w+)$", page, re.MULTILINE))
    links = [link["url"] for panel in _list_panels(name) for link in panel.get("links", ())]
    for url in links:
        assert url.startswith("${runbook}#"), url
        assert url.removeprefix("${runbook}#") in entries, f"docs/runbook.md has no entry for {url}"


def test_every_other_dashboard_is_one_click_away(name: str) -> None:
    own = COMMITTED[name]["uid"]
    assert {link["url"].removeprefix("/d/") for link in COMMITTED[name]["links"]} == UIDS - {own}


def test_all_asks_the_provisioned_data_source(name: str) -> None:
    provisioned = yaml.safe_load((FOLDER.parent / "provisioning/datasources/prometheus.yaml").read_text())
    (source,) = provisioned["datasources"]
    assert (source["uid"], source["url"]) == ("prometheus", "${PROMETHEUS_URL}")
    (choice,) = (each for each in COMMITTED[name]["templating"]["list"] if each["type"] == "datasource")
    assert choice["query"] == source["type"]
    chosen = {"type": source["type"], "uid": f"${{{choice['name']}}}"}
    for panel in _list_panels(name):
        assert panel["datasource"] == chosen
        assert all(target["datasource"] == chosen for target in panel["targets"])
