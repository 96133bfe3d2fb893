"""The files that are shipped to run mlrag with: rendered, held against schemas, and against what they promise."""

import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from mlrag.settings import Settings
from tests.support.replicas import CONF

HOUSE = Path(__file__).parent.parent
KUBERNETES = HOUSE / "deploy" / "kubernetes"
COMPOSE = [HOUSE / "compose.yaml", HOUSE / "deploy" / "compose.replicas.yaml"]


def needs(module, version):
    reason = f"{module} is not installed: pip install {module.replace('_', '-')}=={version}"
    return pytest.mark.skipif(find_spec(module) is None, reason=reason)


def objects():
    """What lies in the folder, with the labels and names as they are written."""
    listed = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text("utf-8"))["resources"]
    return [o for name in listed for o in yaml.safe_load_all((KUBERNETES / name).read_text("utf-8"))]


def workloads():
    return [o for o in objects() if o["kind"] in ("Deployment", "StatefulSet")]


def one(kind, name):
    return next(o for o in objects() if (o["kind"], o["metadata"]["name"]) == (kind, name))


def settings_of(environment):
    """The settings among environment variables; each has to exist."""
    names = {name.removeprefix("MLRAG_").lower() for name in environment if name.startswith("MLRAG_")}
    assert names <= set(Settings.model_fields)
    return names


@needs("kubernetes_validate", "1.37.0")
def test_every_object_is_as_kubernetes_wants_it():
    from kubernetes_validate import latest_version, validate

    for item in objects():
        assert validate(item, latest_version(), strict=True)


@pytest.mark.skipif(not shutil.which("kubectl"), reason="kubectl is not installed: it holds kustomize")
def test_the_folder_renders():
    done = subprocess.run(["kubectl", "kustomize", KUBERNETES], capture_output=True, text=True, check=True)
    rendered = list(yaml.safe_load_all(done.stdout))
    assert len(rendered) == len(objects())
    assert {o["metadata"].get("namespace") for o in rendered if o["kind"] != "Namespace"} == {"mlrag"}
    images = [
        c["image"] for o in rendered if o["kind"] == "Deployment" for c in o["spec"]["template"]["spec"]["containers"]
    ]
    assert images == ["registry.example/mlrag:0.1.0"]


def test_the_service_runs_with_few_rights():
    pod = one("Deployment", "mlrag")["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] and not pod["automountServiceAccountToken"]
    own = pod["containers"][0]["securityContext"]
    assert own["readOnlyRootFilesystem"] and own["capabilities"] == {"drop": ["ALL"]}
    assert own["allowPrivilegeEscalation"] is False


@pytest.mark.parametrize("workload", workloads(), ids=lambda w: w["metadata"]["name"])
def test_every_workload_has_probes_limits_and_a_service_that_finds_it(workload):
    template = workload["spec"]["template"]
    labels, wanted = template["metadata"]["labels"], workload["spec"]["selector"]["matchLabels"]
    assert wanted.items() <= labels.items()
    assert one("Service", workload["metadata"]["name"])["spec"]["selector"].items() <= labels.items()
    for container in template["spec"]["containers"]:
        assert {"readinessProbe", "livenessProbe", "resources"} <= container.keys()
        assert container["resources"]["limits"]["memory"] and container["resources"]["requests"]["cpu"]


def test_no_secret_is_in_a_file():
    assert not [o for o in objects() if o["kind"] == "Secret"]
    for workload in workloads():
        for entry in workload["spec"]["template"]["spec"]["containers"][0]["env"]:
            secret = any(word in entry["name"] for word in ("PASSWORD", "KEY", "STORE_URL"))
            assert ("secretKeyRef" in entry.get("valueFrom", {})) == secret


def test_a_pod_has_time_to_drain_and_to_end_its_streams():
    pod = one("Deployment", "mlrag")["spec"]["template"]["spec"]
    environment = {e["name"]: e.get("value", "") for e in pod["containers"][0]["env"]}
    assert {"store_url", "drain", "grace"} <= settings_of(environment)
    drain, grace = float(environment["MLRAG_DRAIN"]), float(environment["MLRAG_GRACE"])
    assert pod["terminationGracePeriodSeconds"] > 2 * drain + grace
    assert one("Deployment", "mlrag")["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


@needs("compose_spec", "0.2.1")
@pytest.mark.parametrize("path", COMPOSE, ids=lambda p: p.name)
def test_compose_files_are_as_the_specification_wants_them(path):
    from compose_spec import PyCompose

    plain = yaml.safe_dump(yaml.safe_load(path.read_text("utf-8")))  # without merge keys
    assert "ollama" in PyCompose.from_yaml(plain).service_names()


def test_the_replicas_of_the_compose_file_are_those_that_nginx_knows():
    services = yaml.safe_load(COMPOSE[1].read_text("utf-8"))["services"]
    replicas = [name for name in services if name.startswith("mlrag-")]
    assert [name for name in replicas if f"server {name}:8000" in CONF.read_text("utf-8")] == replicas
    for name in replicas:
        environment = services[name]["environment"]
        settings_of(environment)
        assert environment["FORWARDED_ALLOW_IPS"] == services["nginx"]["networks"]["inside"]["ipv4_address"]
        idle = int(CONF.read_text("utf-8").split("keepalive_timeout ")[1].split("s;")[0])
        assert float(environment["MLRAG_DRAIN"]) > idle


def test_proxies_wait_longer_than_the_service():
    limits = Settings()
    seconds = int(CONF.read_text("utf-8").split("proxy_read_timeout ")[1].split("s;")[0])
    ingress = one("Ingress", "mlrag")["metadata"]["annotations"]
    assert min(seconds, int(ingress["nginx.ingress.kubernetes.io/proxy-read-timeout"])) > limits.deadline
    assert f"client_max_body_size {limits.max_upload >> 20}m" in CONF.read_text("utf-8")
