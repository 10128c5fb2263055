"""The documents about deployment name what there is; commands that need no engine and no cluster run."""

import re
import shlex
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.secrets_list import SECRET_FILES
from documents import ROOT, extract_blocks, run_script
from messy_files import write_rows
from servicio_ml import settings
from servicio_ml.serving.http.api_keys import Scope, read_keys

DOCS = ROOT / "docs"
COMPOSE, KUBERNETES, UPGRADING = (
    DOCS / name for name in ("deploy-compose.md", "deploy-kubernetes.md", "upgrading.md")
)
SIZING, SECURITY = DOCS / "sizing.md", DOCS / "security.md"
PAGES = (COMPOSE, KUBERNETES, UPGRADING, SIZING, SECURITY)
CHART = ROOT / "deploy" / "helm" / "servicio-ml"
RELEASE = "forecast"
VARIABLE_SOURCE = re.compile(r"^\$\{[^}]*\}")
SETTING = re.compile(r"SERVICIO_ML_[A-Z0-9_]+")


@pytest.fixture(scope="module")
def stack() -> Mapping[str, Any]:
    loaded: Mapping[str, Any] = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())
    return loaded


@pytest.fixture(scope="module")
def release() -> list[Mapping[str, Any]]:
    """Manifests of the chart, rendered with the values of the page."""
    helm = pytest.importorskip("helm_python", reason="helm-python-sdk has no wheel for this platform")
    [values] = extract_blocks(KUBERNETES, "yaml")
    with helm.Chart.load(CHART) as chart:
        rendered = chart.render(yaml.safe_load(values), name=RELEASE)
    texts = [text for path, text in rendered.items() if path.endswith(".yaml")]
    return [each for text in texts for each in yaml.safe_load_all(text) if each]


def _read_commands(page: Path) -> list[list[str]]:
    lines = "".join(extract_blocks(page, "console")).replace("\\\n", " ").splitlines()
    return [shlex.split(line, comments=True) for line in lines if line.strip()]


def _get_options(command: list[str], name: str) -> list[str]:
    return [value for option, value in pairwise(command) if option == name]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_documented_settings_exist(page: Path) -> None:
    known = {settings.get_variable(name) for name in settings.Settings.model_fields}
    assert set(SETTING.findall(page.read_text())) <= known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_make_has_the_targets(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)", page.read_text())) <= targets
    assert {command[1] for command in _read_commands(page) if command[0] == "make"} <= targets


@pytest.mark.parametrize("page", [COMPOSE, UPGRADING], ids=lambda page: page.name)
def test_compose_has_the_profiles_and_services(stack: Mapping[str, Any], page: Path) -> None:
    services = stack["services"]
    profiles = {name for service in services.values() for name in service["profiles"]}
    found = [command for command in _read_commands(page) if command[:2] == ["docker", "compose"]]
    assert len(found) >= 4
    for command in found:
        assert set(_get_options(command, "--profile")) <= profiles
        assert {each.partition("=")[0] for each in _get_options(command, "--scale")} <= services.keys()
        _check_services(command, services)


def _check_services(command: list[str], services: Mapping[str, Any]) -> None:
    words = [word for word in command[2:] if not word.startswith("--")]
    if "stop" in words:
        stopped = words[words.index("stop") + 1 :]
        assert set(stopped) <= services.keys()
        # the stores must stay up: the next command upgrades, dumps or fills them
        assert stopped, "the stores would be stopped, too"
        assert not {"postgres", "s3"} & set(stopped)
    if "cp" in words:
        name, _, target = words[-1].partition(":")
        assert any(_is_writable(volume, target) for volume in services[name]["volumes"]), target
    if "run" in words:
        assert words[words.index("run") + 1] in services
    if "--follow" in command or "--force-recreate" in command:
        after = command.index("--follow" if "--follow" in command else "--force-recreate")
        assert set(command[after + 1 :]) <= services.keys()


def _is_writable(volume: str, target: str) -> bool:
    """Whether a file is in the writable mount of a volume."""
    folder = VARIABLE_SOURCE.sub("", volume).partition(":")[2]
    return target.startswith(f"{folder}/")


@pytest.mark.slow
def test_the_command_drafts_a_use_case(stack: Mapping[str, Any], tmp_path: Path) -> None:
    [command] = [each for each in _read_commands(COMPOSE) if "init" in each]
    folder = stack["x-airflow"]["environment"]["SERVICIO_ML_DATA_DIR"]
    (tmp_path / "rent.csv").write_text(write_rows("Rent", lambda i: f"{i * 7919 % 1009}"))
    words = [word.replace(folder, str(tmp_path)) for word in command[command.index("servicio-ml") :]]
    assert words[-1] == "--run"
    done = run_script(shlex.join([*words[:-1], "--yes"]), tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "use_cases" / "rent.py").is_file()


def test_every_profile_is_described(stack: Mapping[str, Any]) -> None:
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
    assert set(re.findall(r"secrets/(\w+)", page.read_text())) <= set(SECRET_FILES)


def test_no_more_replicas_than_the_proxy_finds() -> None:
    found = re.findall(r"server-template api- (\d+)", (ROOT / "dockerfiles/haproxy/haproxy.cfg").read_text())
    assert set(found) == {"8"}
    assert "eight at most" in COMPOSE.read_text()


def test_the_variables_of_the_stack_can_be_set() -> None:
    example = (ROOT / ".env.example").read_text()
    for name in ("ALERT_WEBHOOK_URL", "VERSION"):
        assert re.search(rf"^{name}=", example, re.MULTILINE)


@pytest.mark.slow
def test_the_commands_create_the_keys(tmp_path: Path) -> None:
    made = [
        shlex.join(command) for command in _read_commands(KUBERNETES) if command[:2] == ["servicio-ml", "key"]
    ]
    done = run_script("\n".join(made), tmp_path)
    assert done.returncode == 0, done.stderr
    app, operations = done.stdout.split()
    keys = read_keys(tmp_path / "api-keys")
    assert keys.authorize(app, Scope.PREDICT) == "app"
    assert keys.authorize(operations, Scope.ADMIN) == "operations"


def test_the_secret_holds_what_the_chart_asks_for(release: list[Mapping[str, Any]]) -> None:
    [command] = [each for each in _read_commands(KUBERNETES) if each[:3] == ["kubectl", "create", "secret"]]
    name = command[4]
    made = {
        option.split("=")[1] for option in command if option.startswith(("--from-file=", "--from-literal="))
    }
    required = set()
    for workload in (each for each in release if each["kind"] in {"Deployment", "StatefulSet"}):
        references = _list_secrets(workload["spec"]["template"]["spec"])
        assert {each["name"] for each in references} == {name}
        required |= {each["key"] for each in references}
    assert required == made


def _list_secrets(pod: Mapping[str, Any]) -> list[Mapping[str, str]]:
    [container] = pod["containers"]
    references = [each["valueFrom"]["secretKeyRef"] for each in container["env"] if "valueFrom" in each]
    for volume in pod["volumes"]:
        sources = [source["secret"] for source in volume.get("projected", {}).get("sources", [])]
        references += [{"name": each["name"], "key": each["items"][0]["key"]} for each in sources]
    return references


def test_the_release_has_the_documented_names(release: list[Mapping[str, Any]]) -> None:
    named = re.findall(r"deployment/([\w-]+)", KUBERNETES.read_text())
    assert set(named) <= {each["metadata"]["name"] for each in release if each["kind"] == "Deployment"}
    commands = [each for each in _read_commands(KUBERNETES) if each[0] == "helm"]
    assert [each for each in commands if RELEASE in each] == commands
    [installed] = [each for each in commands if "--install" in each]
    assert (ROOT / installed[installed.index(RELEASE) + 1]) == CHART


def test_the_documented_values_exist() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    paths = re.findall(r"`((?:api|networkPolicy|streamWorker)\.[\w.]+)", KUBERNETES.read_text())
    assert paths
    for path in paths:
        found = values
        for key in path.split("."):
            found = found[key]


def test_the_minimum_kubernetes_is_that_of_the_chart() -> None:
    minimum = re.search(r">=([\d.]+)\.0-0", (CHART / "Chart.yaml").read_text())
    assert minimum is not None
    assert f"Kubernetes {minimum[1]} or newer" in KUBERNETES.read_text()


@pytest.mark.slow
def test_the_sizing_command_has_the_documented_options(tmp_path: Path) -> None:
    [command] = [
        line
        for line in "".join(extract_blocks(SIZING, "console")).splitlines()
        if "benchmarks.sizing" in line
    ]
    asked = command.replace("PYTHONPATH=tests", f"PYTHONPATH={ROOT}/tests:{ROOT}").partition("--state")[0]
    done = run_script(f"{asked} --help", tmp_path)
    assert done.returncode == 0, done.stderr
    assert {"--state", "--serving"} <= set(done.stdout.replace(",", " ").split())


@pytest.mark.slow
def test_the_command_upgrades_the_database_of_mlflow(stack: Mapping[str, Any], tmp_path: Path) -> None:
    [command] = [each for each in _read_commands(UPGRADING) if {"run", "mlflow"} <= set(each)]
    within = command[command.index("mlflow") + 1 :]
    [variable] = re.findall(r'environ\["(\w+)"\]', within[-1])
    assert variable in stack["services"]["mlflow"]["environment"]
    done = run_script(shlex.join(within), tmp_path, **{variable: f"sqlite:///{tmp_path}/mlflow.db"})
    assert done.returncode == 0, done.stderr


def test_the_memory_limits_add_up_to_the_sum_on_the_page(stack: Mapping[str, Any]) -> None:
    """Containers of the profile `all`: those that keep running, and those that run once at the start."""
    limits: dict[bool, float] = {True: 0.0, False: 0.0}
    for service in stack["services"].values():
        if "all" in service["profiles"]:
            limits[service["restart"] == "unless-stopped"] += _parse_gibibytes(service["mem_limit"])
    page = " ".join(COMPOSE.read_text().split())
    assert f"add up to {limits[True]:.0f} GiB, plus {limits[False]:.2f} GiB" in page


def _parse_gibibytes(limit: str) -> float:
    """Memory limit in GiB; of `${NAME:-4g}` the default."""
    size = limit.rpartition(":-")[2].strip("}")
    return float(size[:-1]) / {"m": 1024, "g": 1}[size[-1]]
