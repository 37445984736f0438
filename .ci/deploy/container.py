"""Judges deploy/container and deploy/compose: hadolint, the Compose schema, and what neither of them asks for."""

import re
import shutil
import sys
import tempfile
from pathlib import Path

from common import DEPLOY, PEERS, finish, load_yaml, run

DOCKERFILE = DEPLOY / "container/Dockerfile"
COMPOSE = DEPLOY / "compose/compose.yml"
COMPOSE_FILES = [COMPOSE, DEPLOY / "compose/kafka.yml"]
TOOLS = Path(sys.executable).parent
VARIABLE = re.compile(r"\$\{\w+:-([^}]*)\}")
# The files of the host that the node exporter is there to look at.
HOST_MOUNTS = {"/"}


def dockerfile_faults():
    linted = run(TOOLS / "hadolint", "--failure-threshold", "style", DOCKERFILE)
    if linted.returncode != 0:
        yield f"hadolint:\n{linted.stdout}{linted.stderr}"
    text = re.sub(r"\\\n\s*|^#.*\n", "", DOCKERFILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = [line.split(None, 1) for line in text.splitlines() if line.strip()]
    stages = [argument.split() for word, argument in lines if word == "FROM"]
    if len(stages) < 2 or stages[-1] != ["scratch"]:
        yield "Dockerfile: the last of several stages is not empty"
    for image, *_ in stages[:-1]:
        if not re.fullmatch(r"[\w./-]+:\d+\.\d+\.\d+[\w.-]*", image):
            yield f"Dockerfile: {image} names no exact version"
    last = text[text.rindex("FROM "):]
    if not re.search(r"^USER [1-9]\d*:[1-9]\d*$", last, re.MULTILINE):
        yield "Dockerfile: runs as nobody by number"
    builds = [argument for word, argument in lines if word == "RUN" and "cargo build" in argument]
    if len(builds) != 1 or "--locked" not in builds[0] or "--release" not in builds[0]:
        yield "Dockerfile: does not build a locked release"
    if builds and "--features kafka-ssl" not in builds[0]:
        yield "Dockerfile: has no TLS for Kafka"
    if "+crt-static" not in text:
        yield "Dockerfile: the binary is not static"
    if re.search(r"^(ADD|HEALTHCHECK) ", text, re.MULTILINE):
        yield "Dockerfile: ADD and HEALTHCHECK have no place in it"


def mounts_of(service):
    """Path on the host and in the container of each bind mount."""
    for volume in service.get("volumes", []):
        if isinstance(volume, dict):
            yield volume["source"], volume["target"], volume.get("read_only", False)
            continue
        # One without a source has no name and is the container's own.
        source, *target = VARIABLE.sub(r"\1", volume).split(":")
        if source.startswith("."):
            yield source, target[0], target[1:] == ["ro"]


def service_faults(name, service):
    if service.get("read_only") is not True or service.get("cap_drop") != ["ALL"] or service.get("privileged"):
        yield f"{name}: may do more than it needs"
    if "no-new-privileges:true" not in service.get("security_opt", []):
        yield f"{name}: may gain privileges"
    if not re.search(r":v?\d+\.\d+\.\d+$", service["image"]):
        yield f"{name}: {service['image']} names no exact version"
    for port in service.get("ports", []):
        if not port.startswith("127.0.0.1:"):
            yield f"{name}: {port} is published beyond this machine"
    # What is built has nothing to run a check with; what ends is waited for.
    if "build" not in service and "healthcheck" not in service and service["restart"] != "no":
        yield f"{name}: has no health check"
    for source, target, read_only in mounts_of(service):
        if not (COMPOSE.parent / source).exists():
            yield f"{name}: {source} does not exist"
        if not read_only:
            yield f"{name}: {target} is writable on the host"
        if source.startswith("/") and source not in HOST_MOUNTS:
            yield f"{name}: {source} of the host is mounted"


def compose_faults(path):
    checked = run(TOOLS / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", path)
    if checked.returncode != 0:
        yield f"compose schema:\n{checked.stdout}{checked.stderr}"
    compose = load_yaml(path)
    services = compose["services"]
    for name, service in services.items():
        yield from service_faults(name, service)
        for volume in service.get("volumes", []):
            if isinstance(volume, str) and volume[0].isalpha() and volume.split(":")[0] not in compose["volumes"]:
                yield f"{name}: volume {volume} is not declared"
        yield from (f"{name}: waits for {other}, which is not there" for other in service.get("depends_on", {})
                    if other not in services)
        build = service.get("build")
        if build and (path.parent / build["context"] / build["dockerfile"]).resolve() != DOCKERFILE.resolve():
            yield f"{name}: is not built from deploy/container"
    if "build" not in services["bellwether"]:
        yield "bellwether: is not built"


def grafana_faults(compose):
    provider = load_yaml(DEPLOY / "grafana/provisioning/dashboards/bellwether.yml")["providers"][0]
    grafana = load_yaml(compose)["services"]["grafana"]
    folders = {target: COMPOSE.parent / source for source, target, _ in mounts_of(grafana)}
    if provider["options"]["path"] not in folders:
        yield f"grafana of {compose.name}: its dashboards are not where provisioning looks for them"
    home = Path(grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    if not (folders.get(str(home.parent), Path("/nowhere")) / home.name).exists():
        yield f"grafana of {compose.name}: {home} does not exist"


def prometheus_faults(compose):
    """The configuration with its rule files where the container has them."""
    prometheus = load_yaml(compose)["services"]["prometheus"]
    with tempfile.TemporaryDirectory() as root:
        for source, target, _ in mounts_of(prometheus):
            copy = Path(root) / target.lstrip("/")
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(COMPOSE.parent / source, copy)
        configuration = Path(root) / "etc/prometheus/prometheus.yml"
        checked = run(PEERS / "promtool", "check", "config", configuration)
        if checked.returncode != 0 or "1 rule files found" not in checked.stdout:
            yield f"Prometheus of {compose.name}:\n{checked.stdout}{checked.stderr}"


def main():
    # Prometheus' configuration is put together as compose.yml says, so that has to be in order first.
    faults = [*dockerfile_faults(), *(fault for path in COMPOSE_FILES for fault in grafana_faults(path))]
    faults += [f"{path.name}: {fault}" for path in COMPOSE_FILES for fault in compose_faults(path)]
    faults = faults or [fault for path in COMPOSE_FILES for fault in prometheus_faults(path)]
    names = ", ".join(path.name for path in COMPOSE_FILES)
    finish("container", faults, f"Dockerfile, {names} and their Prometheis are in order")


if __name__ == "__main__":
    main()
