"""The documents about deployment name what there is; commands that need no engine and no cluster run."""

import re
import shlex
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.secrets_list import NAMES
from documents import ROOT, blocks, run
from servicio_ml import settings
from servicio_ml.serving.keys import Scope, read_keys

DOCS = ROOT / "docs"
COMPOSE, KUBERNETES, UPGRADING = (
    DOCS / name for name in ("deploy-compose.md", "deploy-kubernetes.md", "upgrading.md")
)
SIZING, SECURITY = DOCS / "sizing.md", DOCS / "security.md"
PAGES = (COMPOSE, KUBERNETES, UPGRADING, SIZING, SECURITY)
CHART = ROOT / "deploy" / "helm" / "servicio-ml"
RELEASE = "forecast"
SETTING = re.compile(r"SERVICIO_ML_[A-Z0-9_]+")


@pytest.fixture(scope="module")
def stack() -> Mapping[str, Any]:
    loaded: Mapping[str, Any] = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())
    return loaded


@pytest.fixture(scope="module")
def release() -> list[Mapping[str, Any]]:
    """What the page's values render to."""
    helm = pytest.importorskip("helm_python", reason="helm-python-sdk has no wheel for this platform")
    [values] = blocks(KUBERNETES, "yaml")
    with helm.Chart.load(CHART) as chart:
        rendered = chart.render(yaml.safe_load(values), name=RELEASE)
    texts = [text for path, text in rendered.items() if path.endswith(".yaml")]
    return [each for text in texts for each in yaml.safe_load_all(text) if each]


def _commands(page: Path) -> list[list[str]]:
    lines = "".join(blocks(page, "console")).replace("\\\n", " ").splitlines()
    return [shlex.split(line, comments=True) for line in lines if line.strip()]


def _options(command: list[str], name: str) -> list[str]:
    return [value for option, value in pairwise(command) if option == name]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_settings_are_those_that_there_are(page: Path) -> None:
    known = {settings.variable(name) for name in settings.Settings.model_fields}
    assert set(SETTING.findall(page.read_text())) <= known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_make_has_the_targets(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)", page.read_text())) <= targets
    assert {command[1] for command in _commands(page) if command[0] == "make"} <= targets


@pytest.mark.parametrize("page", [COMPOSE, UPGRADING], ids=lambda page: page.name)
def test_compose_has_the_profiles_and_services(stack: Mapping[str, Any], page: Path) -> None:
    services = stack["services"]
    profiles = {name for service in services.values() for name in service["profiles"]}
    found = [command for command in _commands(page) if command[:2] == ["docker", "compose"]]
    assert len(found) >= 4
    for command in found:
        assert set(_options(command, "--profile")) <= profiles
        assert {each.partition("=")[0] for each in _options(command, "--scale")} <= services.keys()
        words = [word for word in command[2:] if not word.startswith("--")]
        if "stop" in words:
            stopped = words[words.index("stop") + 1 :]
            assert set(stopped) <= services.keys()
            # what is upgraded, dumped or filled next must answer
            assert stopped, "the stores would be stopped, too"
            assert not {"postgres", "s3"} & set(stopped)
        if "run" in words:
            assert words[words.index("run") + 1] in services
        if "--follow" in command or "--force-recreate" in command:
            after = command.index("--follow" if "--follow" in command else "--force-recreate")
            assert set(command[after + 1 :]) <= services.keys()


def test_every_profile_is_told(stack: Mapping[str, Any]) -> None:
    profiles = {name for service in stack["services"].values() for name in service["profiles"]}
    assert set(re.findall(r"^\| `(\w+)` \|", COMPOSE.read_text(), re.MULTILINE)) == profiles


def test_every_page_has_its_address(stack: Mapping[str, Any]) -> None:
    published = [str(port) for service in stack["services"].values() for port in service.get("ports", [])]
    ports = {re.search(r":-(\d+)\}", port)[1] for port in published}  # type: ignore[index]  # each has a default
    text = COMPOSE.read_text()
    assert set(re.findall(r"http://127\.0\.0\.1:(\d+)|gRPC (\d+)", text))
    assert {one or other for one, other in re.findall(r"http://127\.0\.0\.1:(\d+)|gRPC (\d+)", text)} == ports


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_secrets_are_those_of_make_env(page: Path) -> None:
    assert set(re.findall(r"secrets/(\w+)", page.read_text())) <= set(NAMES)


def test_no_more_replicas_than_the_proxy_finds() -> None:
    found = re.findall(r"server-template api- (\d+)", (ROOT / "dockerfiles/haproxy/haproxy.cfg").read_text())
    assert set(found) == {"8"}
    assert "eight at most" in COMPOSE.read_text()


def test_the_variables_of_the_stack_can_be_set() -> None:
    example = (ROOT / ".env.example").read_text()
    for name in ("ALERT_WEBHOOK_URL", "VERSION"):
        assert re.search(rf"^{name}=", example, re.MULTILINE)


@pytest.mark.slow
def test_the_keys_are_made_as_told(tmp_path: Path) -> None:
    made = [shlex.join(command) for command in _commands(KUBERNETES) if command[:2] == ["servicio-ml", "key"]]
    done = run("\n".join(made), tmp_path)
    assert done.returncode == 0, done.stderr
    app, operations = done.stdout.split()
    keys = read_keys(tmp_path / "api-keys")
    assert keys.admit(app, Scope.PREDICT) == "app"
    assert keys.admit(operations, Scope.ADMIN) == "operations"


def test_the_secret_holds_what_the_chart_asks_for(release: list[Mapping[str, Any]]) -> None:
    [command] = [each for each in _commands(KUBERNETES) if each[:3] == ["kubectl", "create", "secret"]]
    name = command[4]
    made = {
        option.split("=")[1] for option in command if option.startswith(("--from-file=", "--from-literal="))
    }
    wanted = set()
    for workload in (each for each in release if each["kind"] in {"Deployment", "StatefulSet"}):
        pod = workload["spec"]["template"]["spec"]
        [container] = pod["containers"]
        asked = [each["valueFrom"]["secretKeyRef"] for each in container["env"] if "valueFrom" in each]
        for volume in pod["volumes"]:
            sources = [source["secret"] for source in volume.get("projected", {}).get("sources", [])]
            asked += [{"name": each["name"], "key": each["items"][0]["key"]} for each in sources]
        assert {each["name"] for each in asked} == {name}
        wanted |= {each["key"] for each in asked}
    assert wanted == made


def test_the_release_has_the_names_that_are_told(release: list[Mapping[str, Any]]) -> None:
    named = re.findall(r"deployment/([\w-]+)", KUBERNETES.read_text())
    assert set(named) <= {each["metadata"]["name"] for each in release if each["kind"] == "Deployment"}
    commands = [each for each in _commands(KUBERNETES) if each[0] == "helm"]
    assert [each for each in commands if RELEASE in each] == commands
    [installed] = [each for each in commands if "--install" in each]
    assert (ROOT / installed[installed.index(RELEASE) + 1]) == CHART


def test_the_values_that_are_told_are_there() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    told = re.findall(r"`((?:api|networkPolicy|streamWorker)\.[\w.]+)", KUBERNETES.read_text())
    assert told
    for path in told:
        found = values
        for part in path.split("."):
            found = found[part]


def test_the_least_kubernetes_is_the_charts() -> None:
    least = re.search(r">=([\d.]+)\.0-0", (CHART / "Chart.yaml").read_text())
    assert least is not None
    assert f"Kubernetes {least[1]} or newer" in KUBERNETES.read_text()


@pytest.mark.slow
def test_the_measurement_can_be_asked_how(tmp_path: Path) -> None:
    [command] = [
        line for line in "".join(blocks(SIZING, "console")).splitlines() if "benchmarks.sizing" in line
    ]
    asked = command.replace("PYTHONPATH=tests", f"PYTHONPATH={ROOT}/tests:{ROOT}").partition("--state")[0]
    done = run(f"{asked} --help", tmp_path)
    assert done.returncode == 0, done.stderr
    assert {"--state", "--serving"} <= set(done.stdout.replace(",", " ").split())


@pytest.mark.slow
def test_mlflows_database_is_upgraded_as_told(stack: Mapping[str, Any], tmp_path: Path) -> None:
    [command] = [each for each in _commands(UPGRADING) if {"run", "mlflow"} <= set(each)]
    within = command[command.index("mlflow") + 1 :]
    [variable] = re.findall(r'environ\["(\w+)"\]', within[-1])
    assert variable in stack["services"]["mlflow"]["environment"]
    done = run(shlex.join(within), tmp_path, **{variable: f"sqlite:///{tmp_path}/mlflow.db"})
    assert done.returncode == 0, done.stderr
