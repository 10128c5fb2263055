"""The Helm chart, rendered offline: Kubernetes takes it, and its parts fit each other and the server."""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import pytest
import yaml
from monitoring.rules import build_groups, to_document

from deploy.helm.generate import CHART, generate_files
from deploy.helm.schema import FOREIGN_ENV, REGION, SECRET_ENV, SECRET_FILES, SERVED
from servicio_ml import settings
from servicio_ml.adapters.prediction_log.maintainer import MAX_STOP_SECONDS
from servicio_ml.api.parent import check_settings
from servicio_ml.serving.http.api_keys import Scope, format_key_line, generate_key
from servicio_ml.serving.http.health import build_health_routes
from servicio_ml.serving.http.route_access import Access, RouteAccess
from servicio_ml.serving.prediction.service import Service

helm = pytest.importorskip("helm_python", reason="helm-python-sdk has no wheel for this platform")
kubernetes_validate = pytest.importorskip("kubernetes_validate")

ROOT = Path(__file__).parents[2]
MIN_KUBERNETES, NEWEST_KUBERNETES = "1.30", "1.37"
OPERATOR = "monitoring.coreos.com/v1"
NAME, NAMESPACE = "demo", "prod"
Values = dict[str, Any]
Manifest = dict[str, Any]
REDIS = {"secrets": {"env": {"SERVICIO_ML_REDIS_URL": {"name": "streams", "key": "url"}}}}
STREAMS: Values = {**REDIS, "streamWorker": {"enabled": True, "autoscaling": {"enabled": True}}}
CLAIM: Values = {"api": {"journal": {"volume": "claim", "storageClass": "fast"}}}
OPERATED: Values = {"serviceMonitor": {"enabled": True}, "prometheusRule": {"enabled": True}}
PEER = {"namespaceSelector": {"matchLabels": {"name": "front"}}}
EVERYTHING: Values = {
    **OPERATED,
    "nameOverride": "forecast",
    "image": {"repository": "registry.example/servicio-ml/api", "digest": "sha256:" + "0" * 64},
    "imagePullSecrets": [{"name": "registry"}],
    "settings": {
        "SERVICIO_ML_SHADOW_SHARE": 0.1, "SERVICIO_ML_MAX_BODY_BYTES": 1_073_741_824,
        "SERVICIO_ML_LOG_FULL": "drop", "SERVICIO_ML_AIRFLOW_URL": "http://airflow:8080",
    },
    "secrets": {
        **REDIS["secrets"],
        "files": {
            "SERVICIO_ML_HOOK_TOKEN_FILE": {"name": "alerts", "key": "token"},
            "SERVICIO_ML_AIRFLOW_PASSWORD_FILE": {"name": "airflow", "key": "password"},
        },
    },
    "api": {
        "grpc": False, "preStopSeconds": 0, "drainSeconds": 90, "workers": 4,
        "autoscaling": {"enabled": False},
        "journal": {"volume": "claim"}, "priorityClassName": "high", "podAnnotations": {"team": "weather"},
        "nodeSelector": {"disk": "ssd"}, "tolerations": [{"key": "ml", "operator": "Exists"}],
        "affinity": {"podAntiAffinity": {}},
        "ingress": {
            "enabled": True, "className": "nginx", "hosts": ["ml.example"],
            "annotations": {"nginx.ingress.kubernetes.io/proxy-body-size": "1g"},
            "tls": [{"hosts": ["ml.example"], "secretName": "ml-tls"}],
        },
    },
    "useCases": {"persistentVolumeClaim": {"claimName": "use-cases"}},
    "streamWorker": {"enabled": True, "metricsPort": 9000},
    "serviceAccount": {"create": False},
    "networkPolicy": {"clients": [PEER], "monitoring": [{"podSelector": {}}]},
}  # fmt: skip
METRIC = {
    "type": "Pods",
    "pods": {"metric": {"name": "http_requests"}, "target": {"type": "AverageValue", "averageValue": "800"}},
}
CUSTOM: Values = {"api": {"autoscaling": {"metrics": [METRIC]}}, "networkPolicy": {"enabled": False}}
VARIANTS: Mapping[str, Values] = {
    "default": {}, "streams": STREAMS, "claim": CLAIM, "operator": OPERATED, "everything": EVERYTHING,
    "custom metric": CUSTOM, "use cases": {"useCases": {"configMap": {"name": "use-cases"}}},
}  # fmt: skip
WRONG: Mapping[str, tuple[Values, str]] = {
    "a setting that there is not": (
        {"settings": {"SERVICIO_ML_POL_SECONDS": 5}},
        "at '/settings': additional properties 'SERVICIO_ML_POL_SECONDS' not allowed",
    ),
    "a setting out of its range": ({"settings": {"SERVICIO_ML_SHADOW_SHARE": 2}}, "maximum: got 2, want 1"),
    "an address with a password": (
        {"settings": {"SERVICIO_ML_LOG_URL": "postgresql://me:secret@db/log"}},
        "additional properties 'SERVICIO_ML_LOG_URL' not allowed",
    ),
    "no registry": ({"settings": {"SERVICIO_ML_MLFLOW_URL": ""}}, "at '/settings/SERVICIO_ML_MLFLOW_URL'"),
    "a secret's value": (
        {"secrets": {"env": {"SERVICIO_ML_LOG_URL": "postgresql://me:secret@db/log"}}},
        "at '/secrets/env/SERVICIO_ML_LOG_URL': got string, want object",
    ),
    "no keys": (
        {"secrets": {"files": {"SERVICIO_ML_KEYS_FILE": None}}},
        "at '/secrets/files': missing property 'SERVICIO_ML_KEYS_FILE'",
    ),
    "a typo": ({"api": {"replica": 3}}, "at '/api': additional properties 'replica' not allowed"),
    "a budget that lets nothing go": (
        {"api": {"disruptionBudget": {"maxUnavailable": 0}}},
        "at '/api/disruptionBudget/maxUnavailable': minimum: got 0, want 1",
    ),
    "a share of disruption": (
        {"api": {"disruptionBudget": {"maxUnavailable": "10%"}}},
        "at '/api/disruptionBudget/maxUnavailable': got string, want integer",
    ),
    "latest": ({"image": {"tag": "latest"}}, "`latest` names another image each day; name a version"),
    "streams without Redis": (
        {"streamWorker": {"enabled": True}},
        "streamWorker.enabled needs secrets.env.SERVICIO_ML_REDIS_URL",
    ),
    "a hook that could start nothing": (
        {"secrets": {"files": {"SERVICIO_ML_HOOK_TOKEN_FILE": {"name": "alerts", "key": "token"}}}},
        "set settings.SERVICIO_ML_AIRFLOW_URL and secrets.files.SERVICIO_ML_AIRFLOW_PASSWORD_FILE",
    ),
    "more replicas at least than at most": (
        {"api": {"autoscaling": {"minReplicas": 9}}},
        "api.autoscaling: minReplicas 9 is more than maxReplicas 6",
    ),
    "an ingress for nobody": ({"api": {"ingress": {"enabled": True}}}, "api.ingress.enabled needs"),
}


@pytest.fixture(scope="module")
def chart() -> Iterator[Any]:
    with helm.Chart.load(CHART) as loaded:
        yield loaded


class Release:
    """What a variant renders to."""

    def __init__(self, chart: Any, values: Values) -> None:
        rendered: Mapping[str, str] = chart.render(values, name=NAME, namespace=NAMESPACE)
        self.notes = next(text for path, text in rendered.items() if path.endswith("NOTES.txt"))
        texts = [text for path, text in rendered.items() if path.endswith(".yaml")]
        self.manifests: list[Manifest] = [each for text in texts for each in yaml.safe_load_all(text) if each]
        self.values: Values = chart.merge_values(values)

    def list_manifests(self, *kinds: str) -> list[Manifest]:
        return [each for each in self.manifests if each["kind"] in kinds]

    @property
    def workloads(self) -> list[Manifest]:
        return self.list_manifests("Deployment", "StatefulSet")

    @property
    def api(self) -> Manifest:
        return next(each for each in self.workloads if _get_container(each)["name"] == "api")

    def select_workloads(self, selector: Mapping[str, str]) -> list[Manifest]:
        """The workloads whose pods a selector finds."""
        return [
            each for each in self.workloads
            if selector.items() <= each["spec"]["template"]["metadata"]["labels"].items()
        ]  # fmt: skip


@pytest.fixture(scope="module", params=list(VARIANTS.values()), ids=list(VARIANTS))
def release(request: pytest.FixtureRequest, chart: Any) -> Release:
    return Release(chart, request.param)


def _get_container(workload: Manifest) -> Manifest:
    [container] = workload["spec"]["template"]["spec"]["containers"]
    assert isinstance(container, dict)
    return container


def _list_ports(workload: Manifest) -> dict[str, int]:
    return {port["name"]: port["containerPort"] for port in _get_container(workload)["ports"]}


def test_the_generated_files_are_as_generated() -> None:
    made = generate_files()
    assert {path: path.read_text() for path in made} == dict(made), "run make docs"
    assert {path for path in made if path.parent.name == "rules"} == set((CHART / "rules").iterdir())


@pytest.mark.parametrize("values", VARIANTS.values(), ids=VARIANTS)
@pytest.mark.parametrize("version", [MIN_KUBERNETES, NEWEST_KUBERNETES])
def test_the_linter_finds_nothing(values: Values, version: str) -> None:
    found = helm.lint(CHART, values, strict=True, kube_version=f"v{version}.0")
    errors = [each["error"] for each in found["messages"]]
    assert (found["errors"], errors) == ([], ["icon is recommended"])


def test_the_versions_are_those_of_the_program(chart: Any) -> None:
    project = tomllib.loads((ROOT / "servicio-ml" / "pyproject.toml").read_text())["project"]
    assert chart.metadata["appVersion"] == project["version"]
    assert chart.metadata["kubeVersion"] == f">={MIN_KUBERNETES}.0-0"


@pytest.mark.parametrize("version", [MIN_KUBERNETES, NEWEST_KUBERNETES])
def test_kubernetes_takes_every_manifest(release: Release, version: str) -> None:
    for manifest in release.manifests:
        if manifest["apiVersion"] != OPERATOR:
            kubernetes_validate.validate(manifest, version, strict=True)


def test_no_two_manifests_have_one_name(release: Release) -> None:
    names = [(each["kind"], each["metadata"]["name"]) for each in release.manifests]
    assert len(set(names)) == len(names)


def test_selectors_find_their_pods_and_no_others(release: Release) -> None:
    for each in release.workloads:
        assert release.select_workloads(each["spec"]["selector"]["matchLabels"]) == [each]
        for constraint in each["spec"]["template"]["spec"]["topologySpreadConstraints"]:
            assert release.select_workloads(constraint["labelSelector"]["matchLabels"]) == [each]
    for service in release.list_manifests("Service"):
        [found] = release.select_workloads(service["spec"]["selector"])
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= set(_list_ports(found))
    for budget in release.list_manifests("PodDisruptionBudget"):
        [_] = release.select_workloads(budget["spec"]["selector"]["matchLabels"])
    for each in release.list_manifests("StatefulSet"):
        assert each["spec"]["serviceName"] in {
            service["metadata"]["name"] for service in release.list_manifests("Service")
        }


def test_pods_may_do_nothing_but_their_work(release: Release) -> None:
    for workload in release.workloads:
        pod, container = workload["spec"]["template"]["spec"], _get_container(workload)
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False
        assert pod["securityContext"]["runAsUser"] == pod["securityContext"]["fsGroup"] == 10001
        for context in (pod["securityContext"], container["securityContext"]):
            assert context["runAsNonRoot"] is True
            assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert {"hostNetwork", "hostPID", "hostIPC"}.isdisjoint(pod)
        assert not any("hostPath" in volume for volume in pod["volumes"])
        assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
        assert "memory" in container["resources"]["limits"]


def test_images_are_pinned(release: Release) -> None:
    for workload in release.workloads:
        assert re.search(r":\d+\.\d+\.\d+$|@sha256:[0-9a-f]{64}$", _get_container(workload)["image"])


def test_what_is_written_has_a_volume(release: Release) -> None:
    for workload in release.workloads:
        pod = workload["spec"]["template"]["spec"]
        claimed = {each["metadata"]["name"] for each in workload["spec"].get("volumeClaimTemplates", [])}
        volumes = {volume["name"] for volume in pod["volumes"]} | claimed
        mounts = {mount["mountPath"]: mount for mount in _get_container(workload)["volumeMounts"]}
        assert {mount["name"] for mount in mounts.values()} == volumes
        assert {path for path, mount in mounts.items() if not mount.get("readOnly")} == {
            "/var/lib/servicio-ml", "/tmp", "/dev/shm",  # noqa: S108  in the container
        }  # fmt: skip


def test_probes_ask_what_needs_no_key(release: Release) -> None:
    access = RouteAccess((), build_health_routes(cast(Service, None), bytes).routes)
    container = _get_container(release.api)
    probes = {name: container[name]["httpGet"] for name in container if name.endswith("Probe")}
    assert {name: probe["path"] for name, probe in probes.items()} == {
        "startupProbe": "/health/live", "livenessProbe": "/health/live", "readinessProbe": "/health/ready",
    }  # fmt: skip
    for workload in release.workloads:
        for name, value in _get_container(workload).items():
            if name.endswith("Probe"):
                assert access.find("GET", value["httpGet"]["path"]) is Access.PUBLIC
                assert value["httpGet"]["port"] in _list_ports(workload)


def test_a_pod_has_the_time_that_its_end_takes(release: Release) -> None:
    values, pod = release.values["api"], release.api["spec"]["template"]["spec"]
    # HTTP and gRPC drain one after the other
    longest = values["preStopSeconds"] + 2 * values["drainSeconds"] + MAX_STOP_SECONDS
    assert pod["terminationGracePeriodSeconds"] > longest
    lifecycle = _get_container(release.api).get("lifecycle", {})
    assert lifecycle.get("preStop", {"sleep": {"seconds": 0}})["sleep"]["seconds"] == values["preStopSeconds"]
    for each in release.workloads:
        assert each["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] > MAX_STOP_SECONDS


def test_autoscalers_have_their_target(release: Release) -> None:
    known = {(each["kind"], each["metadata"]["name"]): each for each in release.workloads}
    scaled = []
    for scaler in release.list_manifests("HorizontalPodAutoscaler"):
        target = scaler["spec"]["scaleTargetRef"]
        scaled.append(known[target["kind"], target["name"]])
        assert any(metric["type"] == "Resource" for metric in scaler["spec"]["metrics"])
    for each in release.workloads:
        # who sets the replicas would undo at each upgrade what the autoscaler decided
        assert ("replicas" in each["spec"]) == (each not in scaled)


def test_evictions_are_possible(release: Release) -> None:
    for budget in release.list_manifests("PodDisruptionBudget"):
        assert budget["spec"]["maxUnavailable"] >= 1
        assert "minAvailable" not in budget["spec"]


def test_a_journal_outlives_its_pod_where_that_is_asked_for(release: Release) -> None:
    claims = release.values["api"]["journal"]["volume"] == "claim"
    spec = release.api["spec"]
    assert release.api["kind"] == ("StatefulSet" if claims else "Deployment")
    if claims:
        assert set(spec["persistentVolumeClaimRetentionPolicy"].values()) == {"Retain"}
        assert [each["metadata"]["name"] for each in spec["volumeClaimTemplates"]] == ["state"]
    else:
        [state] = [each for each in spec["template"]["spec"]["volumes"] if each["name"] == "state"]
        # a limit would evict the pod, and its journal with it
        assert state["emptyDir"] == {}
        assert "lost" in release.notes


def test_the_server_takes_the_environment(
    release: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [shared] = release.list_manifests("ConfigMap")
    keys = tmp_path / "keys"
    keys.write_text(format_key_line("app", frozenset({Scope.PREDICT}), generate_key()))
    container = _get_container(release.api)
    assert container["envFrom"] == [{"configMapRef": {"name": shared["metadata"]["name"]}}]
    given = {**shared["data"], **{each["name"]: each.get("value", "") for each in container["env"]}}
    mounts = [mount["mountPath"] for mount in container["volumeMounts"] if mount.get("readOnly")]
    for name in map(settings.get_variable, SECRET_FILES):
        if name in given:
            assert str(Path(given[name]).parent) in mounts
            given[name] = str(keys)
    known = {settings.get_variable(name) for name in settings.Settings.model_fields}
    assert given.keys() - known <= {*FOREIGN_ENV, REGION, "HOME"}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    read = settings.load_settings()
    check_settings(read)
    assert (read.port, read.grpc_port) == (
        _list_ports(release.api)["http"],
        _list_ports(release.api).get("grpc", 0),
    )
    assert read.workers == release.values["api"]["workers"]
    for name in SERVED:
        wanted = release.values["settings"].get(settings.get_variable(name))
        if wanted is not None:
            assert getattr(read, name) == wanted


def test_every_setting_of_a_server_can_be_given() -> None:
    chosen = {
        *SERVED,
        *SECRET_ENV,
        *SECRET_FILES,
        "host",
        "port",
        "grpc_port",
        "workers",
        "drain_seconds",
        "state_dir",
        "use_cases_dir",
    }
    # what only pipelines, and the command line, read
    others = {
        "data_dir", "study_url", "statsd_host", "statsd_port", "api_url", "api_key_file",
        "retention_periods", "retention_runs_days",
    }  # fmt: skip
    assert chosen | others == set(settings.Settings.model_fields)
    assert chosen.isdisjoint(others)


def test_every_pod_reads_the_use_cases_where_the_setting_says(release: Release) -> None:
    [shared] = release.list_manifests("ConfigMap")
    folder = shared["data"].get(settings.get_variable("use_cases_dir"))
    wanted = release.values["useCases"]
    assert bool(folder) == bool(wanted)
    for workload in release.workloads if wanted else ():
        [volume] = [
            each for each in workload["spec"]["template"]["spec"]["volumes"] if each["name"] == "use-cases"
        ]
        assert volume == {"name": "use-cases", **wanted}
        [mount] = [each for each in _get_container(workload)["volumeMounts"] if each["name"] == "use-cases"]
        assert (mount["mountPath"], mount["readOnly"]) == (folder, True)


def test_secrets_are_only_named(release: Release) -> None:
    assert release.list_manifests("Secret") == []
    for workload in release.workloads:
        for each in _get_container(workload)["env"]:
            if each["name"] in {*map(settings.get_variable, SECRET_ENV), *FOREIGN_ENV}:
                assert each["valueFrom"]["secretKeyRef"].keys() == {"name", "key"}


def test_the_projected_secrets_are_those_that_are_named(release: Release) -> None:
    [volume] = [
        each for each in release.api["spec"]["template"]["spec"]["volumes"] if each["name"] == "secrets"
    ]
    found = {
        item["path"]: {"name": source["secret"]["name"], "key": item["key"]}
        for source in volume["projected"]["sources"]
        for item in source["secret"]["items"]
    }
    assert found == release.values["secrets"]["files"]
    # the user of the pod reads by its group
    assert volume["projected"]["defaultMode"] == 0o440


def _collect_rule_ports(policy: Manifest, direction: str) -> set[int | str]:
    """Collect the ports, by number or name, that the rules of a direction open."""
    return {port["port"] for rule in policy["spec"][direction] for port in rule["ports"]}


def test_network_policies_open_the_ports_that_are_there(release: Release) -> None:
    policies = release.list_manifests("NetworkPolicy")
    assert len(policies) == (len(release.workloads) if release.values["networkPolicy"]["enabled"] else 0)
    for policy in policies:
        [workload] = release.select_workloads(policy["spec"]["podSelector"]["matchLabels"])
        assert _collect_rule_ports(policy, "ingress") == set(_list_ports(workload))
        assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
        addresses = [str(value) for value in release.values["settings"].values() if "http://" in str(value)]
        wanted = {urlsplit(each).port for each in addresses if "airflow" not in each}
        assert {53, 5432} | wanted <= _collect_rule_ports(policy, "egress")


def test_named_clients_are_the_only_ones(chart: Any) -> None:
    release = Release(chart, EVERYTHING)
    for policy in release.list_manifests("NetworkPolicy"):
        assert all(rule["from"] for rule in policy["spec"]["ingress"])


def test_monitors_find_their_services(chart: Any) -> None:
    release = Release(chart, {**STREAMS, **OPERATED, **CLAIM})
    scraped = yaml.safe_load((ROOT / "monitoring" / "prometheus" / "prometheus.yaml").read_text())
    jobs = {job["job_name"] for job in scraped["scrape_configs"]}
    found = {}
    for monitor in release.list_manifests("ServiceMonitor"):
        assert monitor["apiVersion"] == OPERATOR
        wanted = monitor["spec"]["selector"]["matchLabels"].items()
        [service] = [
            each for each in release.list_manifests("Service") if wanted <= each["metadata"]["labels"].items()
        ]
        [endpoint] = monitor["spec"]["endpoints"]
        assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
        assert endpoint["interval"] == scraped["global"]["scrape_interval"]
        [relabeling] = endpoint["relabelings"]
        assert relabeling["targetLabel"] == "job"
        found[relabeling["replacement"]] = endpoint["path"]
    assert found == {"servicio-ml": "/metrics", "stream-worker": "/metrics"}
    assert found.keys() <= jobs


def test_the_rules_are_ours_untouched(chart: Any) -> None:
    release = Release(chart, OPERATED)
    rules = {rule["spec"]["groups"][0]["name"]: rule for rule in release.list_manifests("PrometheusRule")}
    assert {rule["apiVersion"] for rule in rules.values()} == {OPERATOR}
    assert {name: rule["spec"] for name, rule in rules.items()} == {
        group.name: json.loads(json.dumps(to_document([group]))) for group in build_groups()
    }


@pytest.mark.parametrize(("values", "said"), WRONG.values(), ids=WRONG)
def test_wrong_values_are_refused(chart: Any, values: Values, said: str) -> None:
    with pytest.raises(helm.HelmError) as refused:
        chart.render(values, name=NAME)
    assert said in str(refused.value)


@pytest.mark.parametrize("name", ["x", "servicio-ml", "a" * 53])
def test_names_fit(chart: Any, name: str) -> None:
    for manifest in yaml.safe_load_all("\n---\n".join(
        text for path, text in chart.render({**STREAMS, **CLAIM}, name=name).items() if path.endswith(".yaml")
    )):  # fmt: skip
        if manifest:
            # a StatefulSet's pods have a hash of ten characters in a label
            assert len(manifest["metadata"]["name"]) <= 63 - 10
