"""The files for Kubernetes and Docker, as far as they can be read without either."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).resolve().parents[2]
CLUSTERS = ROOT / "docs/clusters"
PAGE = ROOT / "docs/clusters.md"

# Fields of ray.io/v1 that KubeRay 1.5.1 knows (its API reference); others would be refused.
RAY_JOB = {
    "entrypoint", "rayClusterSpec", "backoffLimit", "activeDeadlineSeconds", "submissionMode",
    "shutdownAfterJobFinishes", "ttlSecondsAfterFinished", "submitterPodTemplate", "submitterConfig",
    "runtimeEnvYAML", "clusterSelector", "metadata", "jobId", "suspend", "managedBy",
    "deletionStrategy", "entrypointNumCpus", "entrypointNumGpus", "entrypointResources",
}  # fmt: skip
RAY_CLUSTER = {
    "headGroupSpec", "workerGroupSpecs", "rayVersion", "authOptions", "enableInTreeAutoscaling",
    "autoscalerOptions", "headServiceAnnotations", "gcsFaultToleranceOptions", "suspend", "managedBy",
}  # fmt: skip
HEAD = {"template", "rayStartParams", "serviceType", "headService", "enableIngress"}
WORKERS = {
    "template", "rayStartParams", "groupName", "replicas", "minReplicas", "maxReplicas", "suspend",
    "numOfHosts", "scaleStrategy", "idleTimeoutSeconds",
}  # fmt: skip
SECRETS = {"archive_password", "models_env"}


@pytest.fixture(scope="module")
def manifests():
    return {each["kind"]: each for each in yaml.safe_load_all(read("raycluster.yaml"))}


@pytest.fixture(scope="module")
def job(manifests):
    return manifests["RayJob"]["spec"]


@pytest.fixture(scope="module")
def services():
    return yaml.safe_load(read("compose.yaml"))["services"]


def read(name):
    return (CLUSTERS / name).read_text(encoding="utf-8")


def pods(job):
    cluster = job["rayClusterSpec"]
    return [
        group["template"]["spec"]
        for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])
    ]


def test_the_ray_job_has_what_its_schema_asks_for_and_nothing_it_does_not_know(manifests, job):
    assert manifests["RayJob"]["apiVersion"] == "ray.io/v1"
    assert manifests["RayJob"]["metadata"]["name"]
    assert job.keys() <= RAY_JOB
    cluster = job["rayClusterSpec"]
    assert cluster.keys() <= RAY_CLUSTER
    assert cluster["authOptions"] == {"mode": "token"}
    assert cluster["headGroupSpec"].keys() <= HEAD
    for group in cluster["workerGroupSpecs"]:
        assert group.keys() <= WORKERS
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())


def test_keys_are_in_the_drivers_pod_which_lends_no_slot(job):
    head, *workers = pods(job)
    assert job["rayClusterSpec"]["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    assert {volume["secret"]["secretName"] for volume in head["volumes"] if "secret" in volume} == {
        "evolve-archive",
        "evolve-models",
    }
    for worker in workers:
        assert all("secret" not in volume for volume in worker["volumes"])
        assert "env" not in worker["containers"][0]
        assert "envFrom" not in worker["containers"][0]
    # A runtime environment would send them to every worker.
    assert "runtimeEnvYAML" not in job


def test_pods_have_no_rights_and_shared_memory_enough(job):
    for pod in pods(job):
        (container,) = pod["containers"]
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"].keys() >= {"cpu", "memory"}
        mounted = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        assert mounted["shm"] == "/dev/shm"
        assert mounted.keys() == {volume["name"] for volume in pod["volumes"]}


def test_nobody_else_reaches_the_pods(manifests, job):
    policy = manifests["NetworkPolicy"]["spec"]
    labels = policy["podSelector"]["matchLabels"]
    cluster = job["rayClusterSpec"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        assert group["template"]["metadata"]["labels"] == labels
    own, others = policy["ingress"]
    assert own["from"] == [{"podSelector": {"matchLabels": labels}}]
    assert [port["port"] for port in others["ports"]] == [8265]


def test_as_many_nodes_are_waited_for_as_there_will_be(job, services):
    workers = sum(group["replicas"] for group in job["rayClusterSpec"]["workerGroupSpecs"])
    (head,) = pods(job)[0]["containers"]
    variables = {each["name"]: each.get("value") for each in head["env"]}
    assert int(variables["EVOLVE_RAY_NODES"]) == 1 + workers
    assert services["driver"]["environment"]["EVOLVE_RAY_NODES"] == "${EVOLVE_RAY_NODES:-2}"


def test_compose_publishes_no_port_and_gives_workers_no_secret_but_rays(services):
    assert services.keys() == {"postgres", "driver", "worker"}
    for service in services.values():
        assert "ports" not in service
        assert "privileged" not in service
    assert services["worker"]["secrets"] == ["ray_token"]
    assert services["worker"]["networks"] == ["ray"]
    assert yaml.safe_load(read("compose.yaml"))["networks"]["ray"] == {"internal": True}
    driver = {
        each if isinstance(each, str) else each["source"] for each in services["driver"]["secrets"]
    }
    assert driver == {*SECRETS, "ray_token"}
    assert services["driver"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}


def test_no_file_holds_a_password(services):
    for name in ("compose.yaml", "raycluster.yaml", "evolve.sbatch", "run-or-resume.sh"):
        for line in read(name).splitlines():
            assert "://" not in line or ":" not in line.partition("://")[2].partition("@")[0], line
    assert "POSTGRES_PASSWORD" not in services["postgres"]["environment"]
    declared = yaml.safe_load(read("compose.yaml"))["secrets"]
    assert all(each["file"].startswith("./secrets/") for each in declared.values())
    assert "docs/clusters/secrets/" in (ROOT / ".gitignore").read_text()


@pytest.mark.parametrize("service", ["driver", "worker"])
def test_commands_of_compose_are_bash(services, service):
    shell, option, script = services[service]["command"]
    assert (shell, option) == ("bash", "-c")
    subprocess.run(["bash", "-n"], input=script.replace("$$", "$"), text=True, check=True)


def test_the_image_copies_what_is_there():
    for line in read("Dockerfile").splitlines():
        words = [word for word in line.split()[1:] if not word.startswith("--")]
        if line.startswith("COPY"):
            assert all((ROOT / word).exists() for word in words[:-1]), line


def test_the_page_names_every_file_and_every_file_is_named():
    page = PAGE.read_text(encoding="utf-8")
    for path in CLUSTERS.iterdir():
        assert path.name in page


@pytest.mark.skipif(
    not os.environ.get("COMPOSE_SCHEMA"), reason="COMPOSE_SCHEMA names no schema of compose files"
)
def test_compose_fits_its_schema():
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(Path(os.environ["COMPOSE_SCHEMA"]).read_text(encoding="utf-8"))
    document = yaml.safe_load(read("compose.yaml"))
    # Older schemas do not know the top-level `name`.
    document.pop("name")
    jsonschema.Draft7Validator(schema).validate(document)


@pytest.mark.skipif(
    shutil.which("docker") is None
    or subprocess.run(["docker", "compose", "version"], capture_output=True).returncode != 0,
    reason="no docker compose here",
)
def test_docker_compose_reads_its_file(tmp_path):
    shutil.copy(CLUSTERS / "compose.yaml", tmp_path)
    subprocess.run(["docker", "compose", "config", "--quiet"], check=True, cwd=tmp_path)
