"""Rules that docker-compose.yaml keeps. Compose itself checks its schema when it reads it."""

import json
import re
import shutil
import tomllib
from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml
from dockerfiles import entrypoint
from fastapi.routing import APIRoute
from monitoring.rule import parse_milliseconds

from deploy import env
from deploy.embedded.components import programs
from deploy.mounted_files import MOUNTED
from deploy.secrets_list import SECRET_FILES
from fakes.drafter import MemoryDrafter
from servicio_ml.adapters.drafting import MAX_DRAFT_SECONDS, WAIT_SECONDS
from servicio_ml.serving.drafting.routes import build_routes
from servicio_ml.settings import Settings

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yaml"
DOCKERFILES = sorted((ROOT / "dockerfiles").glob("*/Dockerfile"))
PROFILES = ("all", "serving", "airflow", "monitoring", "demo", "debug")
DATABASES = {"postgres", "valkey"}
WITHOUT_STATSD = {"airflow-init", "airflow-cli"}
"""They end by themselves, and their commands send nothing through Airflow."""
VARIABLE = re.compile(r"\$\{(\w+)(?::?([-?])([^}]*))?\}")
VERSION_TAG = re.compile(r":v?\d+\.\d+[\w.-]*$")
ADDRESS = re.compile(r"\w+://(?P<user>[^@/\s\"']*@)?(?P<host>[\w.-]+):(?P<port>\d+)")
MENTION = re.compile(r"/run/secrets/(\w+)|\{secret:(\w+)\}")
SECRET_NAME = re.compile(r"PASS|SECRET(?!S__BACKEND)|TOKEN|KEY(?!_RETRIEVAL)|CREDENTIAL", re.IGNORECASE)
NAMED_ONLY = {"airflow-apiserver": ["api_admin_key"]}
"""Has the environment of those that run tasks, and runs none."""
HERE = {"localhost", "127.0.0.1", "0.0.0.0"}  # noqa: S104  compared with, not bound to
DONE, HEALTHY = "service_completed_successfully", "service_healthy"
OWN_PORTS = {"postgres": 5432, "valkey": 6379}
"""Ports that images listen on by default."""

Service = Mapping[str, Any]


@pytest.fixture(scope="session")
def services(config: Mapping[str, Any]) -> Mapping[str, Service]:
    found: Mapping[str, Service] = config["services"]
    return found


def _is_one_shot(service: Service) -> bool:
    """Whether it ends by itself."""
    return bool(service["restart"] != "unless-stopped")


@pytest.mark.parametrize("profile", PROFILES)
def test_compose_takes_each_profile(compose: Any, profile: str) -> None:
    done = compose("--profile", profile, "config", "--services")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()


def test_compose_would_refuse_what_is_not_in_its_schema(compose: Any, tmp_path: Path) -> None:
    more = tmp_path / "more.yaml"
    more.write_text("services: {api: {mem_limits: 1g}}")
    done = compose("config", "--quiet", more=more)
    assert done.returncode
    assert "mem_limits" in done.stderr


@pytest.mark.parametrize("profile", PROFILES)
def test_a_copied_example_does_not_start(compose: Any, tmp_path: Path, profile: str) -> None:
    shutil.copy(ROOT / env.EXAMPLE, tmp_path / ".env")
    done = compose("--profile", profile, "up", variables=tmp_path / ".env")
    assert done.returncode
    assert "SECRETS_DIR" in done.stderr
    assert "make env" in done.stderr


def test_the_example_says_every_variable_with_its_default() -> None:
    used = {name: default for name, kind, default in VARIABLE.findall(FILE.read_text()) if kind != "?"}
    lines = [line for line in (ROOT / env.EXAMPLE).read_text().splitlines() if "=" in line and line[0] != "#"]
    given = dict(line.split("=", 1) for line in lines)
    assert given.pop(env.FOLDER_VARIABLE) == ""
    assert given == used


def test_our_images_have_the_version_of_the_project(services: Mapping[str, Service]) -> None:
    version = tomllib.loads((ROOT / "servicio-ml" / "pyproject.toml").read_text())["project"]["version"]
    ours = {each["image"] for each in services.values() if each["image"].startswith("servicio-ml/")}
    assert ours == {f"servicio-ml/{path.parent.name}:{version}" for path in DOCKERFILES}
    assert ours == {each["image"] for each in services.values() if "build" in each}


def test_every_image_is_pinned_to_a_version(services: Mapping[str, Service]) -> None:
    assert [name for name, each in services.items() if not VERSION_TAG.search(each["image"])] == []


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.parent.name)
def test_a_dockerfile_is_built_on_the_image_that_is_asked_for(path: Path) -> None:
    text = path.read_text()
    [default] = re.findall(r"^ARG PYTHON_IMAGE=(\S+)$", text, re.MULTILINE)
    assert VERSION_TAG.search(default)
    assert set(re.findall(r"^FROM (\S+)", text, re.MULTILINE)) == {"${PYTHON_IMAGE}"}
    # the last says as whom it runs
    assert re.findall(r"^USER (.+)$", text, re.MULTILINE)[-1:] == ["10001:10001"]
    # a secret in a layer, or a mount that only BuildKit knows
    assert not re.search(r"^(ARG|ENV) .*(PASSWORD|SECRET|TOKEN)|--mount|<<|# syntax", text, re.MULTILINE)


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.parent.name)
def test_an_image_of_a_closed_clone_can_be_read_by_its_user(path: Path) -> None:
    """A copied file has the mode of the clone's: under `umask 077` it would be its owner's only."""
    text = path.read_text().replace("\\\n", "")
    copied = list(_list_copied(text))
    assert copied
    assert [place for place, rest in copied if not _is_opened(place, rest)] == []


def _list_copied(text: str) -> Iterator[tuple[str, str]]:
    """Paths in an image that are copied from the clone, each with the text below."""
    for found in re.finditer(r"^COPY (?!--from)(.+) (/\S+)$", text, re.MULTILINE):
        for source in found[1].split():
            name = Path(source).name if found[2].endswith("/") else ""
            yield found[2] + name, text[found.end() :]


def _is_opened(place: str, text: str) -> bool:
    opened = [
        path for paths in re.findall(r"chmod (?:-R a\+rX|a\+rx?)((?: /\S+)+)", text) for path in paths.split()
    ]
    return any(fnmatch(place, each) or place.startswith(f"{each}/") for each in opened)


def test_only_loopback_ports_are_published(services: Mapping[str, Service]) -> None:
    published = [
        (name, port["host_ip"]) for name, each in services.items() for port in each.get("ports", ()) if port
    ]
    assert published
    assert {host for _, host in published} == {"127.0.0.1"}
    numbers = [port["published"] for each in services.values() for port in each.get("ports", ())]
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize(
    ("option", "wanted"),
    [
        ("read_only", True),
        ("cap_drop", ["ALL"]),
        ("security_opt", ["no-new-privileges:true"]),
        ("logging", {"driver": "json-file", "options": {"max-file": "3", "max-size": "10m"}}),
    ],
)
def test_every_service_is_confined(services: Mapping[str, Service], option: str, wanted: object) -> None:
    assert [name for name, each in services.items() if each.get(option) != wanted] == []


@pytest.mark.parametrize("option", ["mem_limit", "pids_limit", "restart", "networks", "profiles"])
def test_every_service_says_it(services: Mapping[str, Service], option: str) -> None:
    assert [name for name, each in services.items() if not each.get(option)] == []


@pytest.mark.parametrize(
    "option", ["privileged", "cap_add", "network_mode", "pid", "ipc", "devices", "env_file", "user_ns_mode"]
)
def test_no_service_gets_out(services: Mapping[str, Service], option: str) -> None:
    assert [name for name, each in services.items() if each.get(option)] == []


def test_images_of_others_run_as_nobody_special(services: Mapping[str, Service]) -> None:
    others = {name: each for name, each in services.items() if not each["image"].startswith("servicio-ml/")}
    ids = {name: each.get("user", "root").partition(":")[0] for name, each in others.items()}
    assert [name for name, uid in ids.items() if not uid.isdigit() or int(uid) == 0] == []


def test_what_is_mounted_from_here_is_read_only(services: Mapping[str, Service]) -> None:
    binds = [
        (name, volume["source"], volume.get("read_only", False))
        for name, each in services.items()
        for volume in each.get("volumes", ())
        if volume["type"] == "bind"
    ]
    assert [(name, source) for name, source, read_only in binds if not read_only] == []
    assert [source for _, source, _ in binds if not Path(source).exists() or "docker.sock" in source] == []


def test_make_env_opens_what_is_mounted_from_here(services: Mapping[str, Service]) -> None:
    ours = [ROOT / name for name in MOUNTED]
    binds = [
        Path(volume["source"])
        for each in services.values()
        for volume in each.get("volumes", ())
        if volume["type"] == "bind"
    ]
    assert [path for path in binds if not any(path.is_relative_to(folder) for folder in ours)] == []


def test_what_goes_on_has_a_health_check(services: Mapping[str, Service]) -> None:
    assert [
        name for name, each in services.items() if not _is_one_shot(each) and "healthcheck" not in each
    ] == []


def test_the_server_may_finish_its_requests(services: Mapping[str, Service]) -> None:
    api = services["api"]
    assert "SERVICIO_ML_DRAIN_SECONDS" not in api["environment"]  # then it would be compared with
    needed = programs.DRAINS * Settings().drain_seconds + programs.CLOSING_SECONDS
    given = re.fullmatch(r"(?:(\d+)m)?(?:(\d+)s)?", api["stop_grace_period"])
    assert given is not None
    assert 60 * int(given[1] or 0) + int(given[2] or 0) >= needed


def test_the_proxy_lets_no_slow_client_hold_it_and_has_memory_for_all(
    services: Mapping[str, Service],
) -> None:
    text = (ROOT / "dockerfiles" / "haproxy" / "haproxy.cfg").read_text()
    [headers] = re.findall(r"^  timeout http-request (\d+)s$", text, re.MULTILINE)
    assert int(headers) <= 30
    [connections] = re.findall(r"^  maxconn (\d+)$", text, re.MULTILINE)
    # a request's and an answer's, each of 16 KiB, which is haproxy's own
    assert int(connections) * 2 * 16384 <= int(services["proxy"]["mem_limit"]) * 0.6


def test_one_waits_until_the_other_answers_or_is_done(services: Mapping[str, Service]) -> None:
    wrong = [
        (name, other)
        for name, each in services.items()
        for other, needs in each.get("depends_on", {}).items()
        if needs["condition"] != (DONE if _is_one_shot(services[other]) else HEALTHY)
    ]
    assert wrong == []


def test_what_one_waits_for_starts_with_its_profile(services: Mapping[str, Service]) -> None:
    absent = [
        (name, other, sorted(set(each["profiles"]) - set(services[other]["profiles"])))
        for name, each in services.items()
        for other, needs in each.get("depends_on", {}).items()
        if needs["required"] and not set(each["profiles"]) <= set(services[other]["profiles"])
    ]
    assert absent == []
    # the others are added to what runs
    added = {"debug", "demo"}
    assert [name for name, each in services.items() if not set(each["profiles"]) & {"all", *added}] == []


def test_stores_are_behind(config: Mapping[str, Any], services: Mapping[str, Service]) -> None:
    assert config["networks"]["back"]["internal"] is True
    assert {name: set(services[name]["networks"]) for name in DATABASES} == {
        name: {"back"} for name in DATABASES
    }
    assert [name for name in DATABASES if services[name].get("ports")] == []
    reachable = [name for name, each in services.items() if each.get("ports")]
    # a port of a service that is on an internal network only is published nowhere
    assert [name for name in reachable if set(services[name]["networks"]) == {"back"}] == []


def _has_networks(services: Mapping[str, Service], network: str) -> set[str]:
    return {name for name, each in services.items() if network in each["networks"]}


def test_only_clients_of_s3_reach_its_other_ports(
    config: Mapping[str, Any], services: Mapping[str, Service]
) -> None:
    """SeaweedFS asks for no key at the ports of its filer, volumes and master."""
    clients = {name for name, each in services.items() if "http://s3:" in json.dumps(each.get("environment"))}
    assert config["networks"]["storage"]["internal"] is True
    assert _has_networks(services, "storage") == {*clients, "s3", "prometheus"}
    # the network of the published port is the store's alone, and leads nowhere
    assert set(services["s3"]["networks"]) == {"storage", "s3-port"}
    assert _has_networks(services, "s3-port") == {"s3"}
    options = config["networks"]["s3-port"]["driver_opts"]
    assert options == {"com.docker.network.bridge.enable_ip_masquerade": "false"}
    assert [(port["target"], port["host_ip"]) for port in services["s3"]["ports"]] == [(8333, "127.0.0.1")]


def test_seaweedfs_runs_s3_and_nothing_that_it_can_leave_out(services: Mapping[str, Service]) -> None:
    words = services["s3"]["entrypoint"][-1].split()
    # files of the log would fill the memory behind /tmp
    assert words[words.index("weed") + 1] == "-logtostderr=true"
    options = dict(each.split("=", 1) for each in words if each.startswith("-"))
    closed = {"-webdav": "false", "-admin.ui": "false", "-s3.port.iceberg": "0", "-s3.port.lance": "0"}
    assert options.items() >= {**closed, "-master.telemetry": "false"}.items()
    assert services["s3"]["stop_grace_period"] == "30s"


def test_no_image_of_the_project_is_pulled(services: Mapping[str, Service]) -> None:
    ours = {name: each for name, each in services.items() if each["image"].startswith("servicio-ml/")}
    wrong = [
        name
        for name, each in ours.items()
        if each.get("pull_policy") != ("build" if "build" in each else "never")
    ]
    assert wrong == []


def test_airflow_waits_for_the_name_that_its_metrics_go_to(services: Mapping[str, Service]) -> None:
    """Airflow looks the name up once, at its start, and sends nothing if that fails."""
    components = {
        name: each
        for name, each in services.items()
        if each["image"].startswith("servicio-ml/airflow:")
        and name not in {"drafting", "producer", *WITHOUT_STATSD}
    }
    assert len(components) == 5
    for name, each in components.items():
        host = each["environment"]["AIRFLOW__METRICS__STATSD_HOST"]
        assert each["command"][:2] == [f"{entrypoint.WAIT_FOR}{host}", "airflow"], name
        [exporter] = [other for other, found in services.items() if found is _resolve(services, name, host)]
        needs = each["depends_on"][exporter]
        assert (needs["condition"], needs["restart"]) == (HEALTHY, True), name


def test_postgresql_17_is_asked_for_its_checkpoints(services: Mapping[str, Service]) -> None:
    assert services["postgres"]["image"].startswith("postgres:17.")
    assert services["postgres-exporter"]["command"] == ["--collector.stat_checkpointer"]


def test_an_exporter_is_healthy_while_its_database_is_down(services: Mapping[str, Service]) -> None:
    """At /metrics, every check would ask the database, too."""
    for name in ("postgres-exporter", "statsd-exporter"):
        assert re.search(r":\d+/$", services[name]["healthcheck"]["test"][-1]), name


def test_grafana_keeps_the_provisioning_folders_of_its_image(services: Mapping[str, Service]) -> None:
    root = "/etc/grafana/provisioning"
    targets = {each["target"] for each in services["grafana"]["volumes"]}
    folders = {path.name for path in (ROOT / "grafana" / "provisioning").iterdir()}
    assert {each for each in targets if each.startswith(root)} == {f"{root}/{name}" for name in folders}


def test_grafana_asks_nobody_outside(services: Mapping[str, Service]) -> None:
    given = services["grafana"]["environment"]
    refused = {name for name, value in given.items() if name.endswith("_DISABLED") and value == "true"}
    assert {each.removeprefix("GF_PLUGINS_") for each in refused} == {
        "PREINSTALL_DISABLED",
        "PUBLIC_KEY_RETRIEVAL_DISABLED",
    }
    asked = {
        name for name in given if "CHECK_FOR" in name or name.endswith(("REPORTING_ENABLED", "FEED_ENABLED"))
    }
    assert len(asked) == 4
    assert {given[name] for name in asked} == {"false"}


def test_the_retention_is_in_the_configuration_and_long_enough(services: Mapping[str, Service]) -> None:
    text = (ROOT / "monitoring" / "prometheus" / "prometheus.yaml").read_text()
    kept = yaml.safe_load(text)["storage"]["tsdb"]["retention"]["time"]
    assert parse_milliseconds(kept) >= parse_milliseconds("31d")
    assert "retention" not in json.dumps(services["prometheus"])


def _list_names(services: Mapping[str, Service], network: str) -> Mapping[str, Service]:
    """What resolves in a network."""
    found: dict[str, Service] = {}
    for name, each in services.items():
        if network in each["networks"]:
            aliases = (each["networks"][network] or {}).get("aliases", ())
            found |= dict.fromkeys((name, *aliases), each)
    return found


def _resolve(services: Mapping[str, Service], asker: str, host: str) -> Service | None:
    for network in services[asker]["networks"]:
        if (found := _list_names(services, network).get(host)) is not None:
            return found
    return None


def _has_port(service: Service, port: int) -> bool:
    """Whether a port stands somewhere in a service: it is probed, published or configured there."""
    if OWN_PORTS.get(service["image"].partition(":")[0].rpartition("/")[2]) == port:
        return True
    return re.search(rf"(?<!\d){port}(?!\d)", json.dumps(service)) is not None


def _find_mount(service: Service, target: str) -> Mapping[str, Any]:
    [mount] = [each for each in service["volumes"] if each["target"] == target]
    found: Mapping[str, Any] = mount
    return found


OURS = re.compile("servicio-ml/(api|airflow):")
PIPELINES = re.compile("servicio-ml/airflow:")
WRITERS = {"drafting", "airflow-cli"}
FOLDERS = [
    # all that have our package load use cases; those with training code read raw files
    pytest.param("SERVICIO_ML_USE_CASES_DIR", OURS, id="use cases"),
    pytest.param("SERVICIO_ML_DATA_DIR", PIPELINES, id="raw files"),
]


@pytest.mark.parametrize(("variable", "images"), FOLDERS)
def test_a_folder_is_the_same_for_all_that_read_it(
    services: Mapping[str, Service], variable: str, images: re.Pattern[str]
) -> None:
    folders = {name: (each.get("environment") or {}).get(variable, "") for name, each in services.items()}
    assert {name for name, folder in folders.items() if folder} == _list_readers(services, images)
    mounts = {name: _find_mount(services[name], folder) for name, folder in folders.items() if folder}
    assert len({(mount["type"], mount["source"]) for mount in mounts.values()}) == 1
    assert {name for name, mount in mounts.items() if not mount.get("read_only")} == WRITERS


def _list_readers(services: Mapping[str, Service], images: re.Pattern[str]) -> set[str]:
    return {name for name, each in services.items() if images.match(each["image"])}


@pytest.mark.parametrize(("variable", "images"), FOLDERS)
def test_a_new_volume_belongs_to_the_user_of_the_containers(
    services: Mapping[str, Service], variable: str, images: re.Pattern[str]
) -> None:
    """The volume gets the owner of the image's folder, whichever container mounts it first."""
    readers = [services[name] for name in _list_readers(services, images)]
    assert [each for each in readers if not _has_folder(each["image"], each["environment"][variable])] == []


def _has_folder(image: str, folder: str) -> bool:
    """Whether an image has a folder of its user."""
    name = image.partition(":")[0].rpartition("/")[2]
    text = (ROOT / "dockerfiles" / name / "Dockerfile").read_text().replace("\\\n", "")
    [made] = re.findall(r"install --directory --owner=10001 --group=10001 ([^&\n]+)", text)
    return folder in made.split()


def test_a_folder_of_dags_is_loaded_beside_those_of_the_project(services: Mapping[str, Service]) -> None:
    folder = "/opt/servicio-ml/airflow/dags"
    text = (ROOT / "dockerfiles" / "airflow" / "Dockerfile").read_text()
    assert f"AIRFLOW__CORE__DAGS_FOLDER={folder} " in text
    assert f"RUN mkdir {folder}/own " in text
    components = [name for name in services if name.startswith("airflow-")]
    assert {_find_mount(services[name], f"{folder}/own")["source"] for name in components} == {"dags"}


def test_the_demonstration_sends_requests_that_drift(services: Mapping[str, Service]) -> None:
    producer = services["producer"]
    assert producer["command"][:3] == ["servicio-ml", "stream-sample", "rain_australia"]
    options = dict(each.removeprefix("--").split("=") for each in producer["command"][3:])
    assert options == {"rate": "10", "rows": "36000", "drift-after": "18000"}
    assert producer["environment"]["SERVICIO_ML_REDIS_URL"]


@pytest.mark.parametrize("variable", ["USE_CASES", "RAW_FILES"])
def test_a_folder_of_the_user_takes_the_place_of_a_volume(
    compose: Any, config: Mapping[str, Any], tmp_path: Path, variable: str
) -> None:
    [secret, *_] = config["secrets"].values()
    variables = tmp_path / ".env"
    variables.write_text(f"SECRETS_DIR={Path(secret['file']).parent}\n{variable}={tmp_path}\n")
    done = compose("--profile", "*", "config", "--format", "json", variables=variables)
    drafting = json.loads(done.stdout)["services"]["drafting"]
    assert [each["type"] for each in drafting["volumes"] if each["source"] == str(tmp_path)] == ["bind"]


def test_the_proxy_sends_drafts_to_the_server_with_training_code(services: Mapping[str, Service]) -> None:
    text = (ROOT / "dockerfiles" / "haproxy" / "haproxy.cfg").read_text()
    [prefixes] = re.findall(r"^  acl drafts path_beg (.+)$", text, re.MULTILINE)
    paths = [each.path for each in build_routes(MemoryDrafter(), 1).routes if isinstance(each, APIRoute)]
    assert paths
    assert [path for path in paths if not path.startswith(tuple(prefixes.split()))] == []
    [(name, port)] = re.findall(r"^  server (\S+) \1:(\d+)$", text, re.MULTILINE)
    assert _has_port(services[name], int(port))
    assert services[name]["image"].startswith("servicio-ml/airflow:")
    # a draft may take longer than other requests
    [seconds] = re.findall(r"^backend drafting$.*?^  timeout server (\d+)s$", text, re.MULTILINE | re.DOTALL)
    assert int(seconds) >= MAX_DRAFT_SECONDS + WAIT_SECONDS
    assert _has_both_locks()


def test_replicas_are_asked_for_their_health_over_rest(services: Mapping[str, Service]) -> None:
    """Their port of gRPC takes HTTP/2 only, and answers no question about health over HTTP."""
    text = (ROOT / "dockerfiles" / "haproxy" / "haproxy.cfg").read_text()
    [backend] = re.findall(r"^backend grpc\n((?:  .+\n)+)", text, re.MULTILINE)
    assert "option httpchk GET /health/ready\n" in backend
    [port] = re.findall(r"^  http-check connect port (\d+) proto h1$", backend, re.MULTILINE)
    assert f"127.0.0.1:{port}/" in json.dumps(services["api"]["healthcheck"])


def _has_both_locks() -> bool:
    """Whether the commands of Airflow's image have the libraries of the server, too."""
    text = (ROOT / "dockerfiles" / "airflow" / "Dockerfile").read_text()
    [locks] = re.findall(
        r"uv pip sync --python /opt/servicio-ml/\S+ --require-hashes (.+)$", text, re.MULTILINE
    )
    return bool(locks.split() == ["requirements/pipeline.txt", "requirements/serving.txt"])


def test_both_locks_of_the_drafting_server_agree() -> None:
    pins = [
        dict(
            re.findall(
                r"^([\w.-]+)(?:\[[^]]*])?==(\S+)", (ROOT / "requirements" / name).read_text(), re.MULTILINE
            )
        )
        for name in ("pipeline.txt", "serving.txt")
    ]
    shared = pins[0].keys() & pins[1].keys()
    assert len(shared) > 20
    assert {name: (pins[0][name], pins[1][name]) for name in shared if pins[0][name] != pins[1][name]} == {}


def test_what_prometheus_scrapes_is_there(services: Mapping[str, Service]) -> None:
    read = yaml.safe_load((ROOT / "monitoring" / "prometheus" / "prometheus.yaml").read_text())
    sections = [*read["scrape_configs"], *read["alerting"]["alertmanagers"]]
    targets = [
        (name, each["port"])
        for section in sections
        for each in section.get("dns_sd_configs", ())
        for name in each["names"]
    ]
    assert targets
    missing = [
        (name, port)
        for name, port in targets
        if (found := _resolve(services, "prometheus", name)) is None or not _has_port(found, port)
    ]
    assert missing == []


def _find_addresses(service: Service) -> Iterator[re.Match[str]]:
    texts = {key: service.get(key) for key in ("environment", "command", "entrypoint")}
    yield from ADDRESS.finditer(json.dumps(texts))


def test_every_address_leads_to_a_service_in_reach(services: Mapping[str, Service]) -> None:
    wrong = [
        (name, found[0])
        for name, each in services.items()
        for found in _find_addresses(each)
        if found["host"] not in HERE
        and ((to := _resolve(services, name, found["host"])) is None or not _has_port(to, int(found["port"])))
    ]
    assert wrong == []


def test_alertmanager_reaches_the_hook(services: Mapping[str, Service]) -> None:
    text = (ROOT / "monitoring" / "alertmanager" / "alertmanager.yaml").read_text()
    hosts = {found["host"] for found in ADDRESS.finditer(text)}
    # the address of people is put in by a setting
    assert {host for host in hosts if _resolve(services, "alertmanager", host) is None} == {"notify"}


def test_secrets_are_those_of_make_env(config: Mapping[str, Any]) -> None:
    assert {Path(each["file"]).name for each in config["secrets"].values()} == set(SECRET_FILES)
    assert {name: Path(each["file"]).name for name, each in config["secrets"].items()} == {
        name: name for name in SECRET_FILES
    }


def test_every_secret_is_mounted_where_it_is_used_and_nowhere_else(services: Mapping[str, Service]) -> None:
    mounted = {name: {file["source"] for file in each.get("secrets", ())} for name, each in services.items()}
    assert set().union(*mounted.values()) == set(SECRET_FILES)
    assert {name: _list_used_secrets(each) for name, each in services.items()} == {
        name: sorted({*mounted[name], *NAMED_ONLY.get(name, ())}) for name in services
    }


def _list_used_secrets(service: Service) -> list[str]:
    """List the secrets that a service names, and those named in its mounted files."""
    mounts = [Path(each["source"]) for each in service.get("volumes", ()) if each["type"] == "bind"]
    texts = [json.dumps({**service, "secrets": ()}), *(path.read_text() for path in mounts if path.is_file())]
    return sorted({first or second for text in texts for first, second in MENTION.findall(text)})


def test_no_secret_stands_in_an_environment(services: Mapping[str, Service]) -> None:
    plain = [
        (name, variable)
        for name, each in services.items()
        for variable, value in (each.get("environment") or {}).items()
        if SECRET_NAME.search(variable) and value and not _is_reference(variable, value)
    ]
    assert plain == []


def test_no_password_stands_in_an_address(services: Mapping[str, Service]) -> None:
    plain = [
        (name, found[0])
        for name, each in services.items()
        for found in _find_addresses(each)
        if found["user"] and "{secret:" not in found["user"]
    ]
    assert plain == []


def _is_reference(variable: str, value: str) -> bool:
    """Whether a variable names the place of its secret instead of the secret."""
    return variable.endswith("_FILE") or "{secret:" in value


def test_compose_does_not_say_a_secret(compose: Any, config: Mapping[str, Any]) -> None:
    folder = Path(next(iter(config["secrets"].values()))["file"]).parent
    values = [(folder / name).read_text() for name in SECRET_FILES]
    assert all(values)
    rendered = compose("--profile", "*", "config").stdout
    assert [name for name, value in zip(SECRET_FILES, values, strict=True) if value in rendered] == []
