"""Judges the folders of manifests in deploy/: schemas of Kubernetes itself, fences and probes of pods, and what objects say of each other."""

import shutil
import sys
from pathlib import Path

from common import DEPLOY, finish, load_yaml_documents, run

TOOLS = Path(sys.executable).parent
# Each folder, and whether it is one to be applied with `-k`.
FOLDERS = {"kubernetes": True, "kubernetes-scale": True, "kubernetes-replay": False}
# The oldest and the newest version that the manifests are held to.
VERSIONS = ["1.29.0", "1.36.0"]
# Kinds that are no part of Kubernetes.
EXTENSIONS = {"Kustomization", "ServiceMonitor", "ScaledObject"}
# Kinds without a namespace.
CLUSTER_WIDE = {"Namespace", "Kustomization"}
WORKLOADS = {"Deployment", "StatefulSet", "Job"}
LIVE, READY = "/-/healthy", "/-/ready"
# What each probe asks. One that starts and recovers for long, or without disk or brokers, is alive: to end it mends nothing.
PROBES = {"startupProbe": LIVE, "livenessProbe": LIVE, "readinessProbe": READY}


def name_of(item):
    return f"{item['kind']} {item['metadata']['name']}"


def schema_faults(paths):
    for version in VERSIONS:
        checked = run(TOOLS / "kubernetes-validate", "--strict", "--no-warn", "--quiet", "-k", version, *paths)
        if checked.returncode != 0:
            yield f"Kubernetes {version}:\n{checked.stdout}{checked.stderr}"


def container_faults(container, is_server):
    context = container["securityContext"]
    if (context.get("readOnlyRootFilesystem") is not True or context.get("allowPrivilegeEscalation") is not False
            or context.get("capabilities") != {"drop": ["ALL"]}):
        yield "container may do more than it needs"
    if is_server:
        for probe, path in PROBES.items():
            if container.get(probe, {}).get("httpGet", {}).get("path") != path:
                yield f"{probe} does not ask {path}"
    if "memory" not in container["resources"].get("limits", {}):
        yield "container has no limit on memory"


def pod_faults(pod, is_server):
    context = pod["securityContext"]
    if pod.get("automountServiceAccountToken") is not False:
        yield "has a token that it does not need"
    if context.get("runAsNonRoot") is not True or context.get("seccompProfile") != {"type": "RuntimeDefault"}:
        yield "runs as root or without seccomp"
    if pod.get("terminationGracePeriodSeconds") != 15:
        yield "is not given 15 seconds to end"
    for container in pod["containers"]:
        yield from container_faults(container, is_server)


def volume_faults(workload, maps):
    spec = workload["spec"]
    pod = spec["template"]["spec"]
    volumes = {volume["name"] for volume in pod["volumes"]}
    volumes |= {claim["metadata"]["name"] for claim in spec.get("volumeClaimTemplates", [])}
    mounts = {mount["name"] for container in pod["containers"] for mount in container["volumeMounts"]}
    if mounts != volumes:
        yield "volumes and mounts differ"
    wanted = {volume["configMap"]["name"] for volume in pod["volumes"] if "configMap" in volume}
    if not wanted <= maps:
        yield "its configuration does not exist"


def workload_faults(workload, maps, services):
    spec = workload["spec"]
    labels = spec["template"]["metadata"]["labels"]
    # Kubernetes itself makes the selector of a Job.
    if workload["kind"] != "Job" and not spec["selector"]["matchLabels"].items() <= labels.items():
        yield "does not select its pods"
    if workload["kind"] == "StatefulSet" and spec["serviceName"] not in services:
        yield "its service does not exist"
    yield from pod_faults(spec["template"]["spec"], workload["kind"] != "Job")
    yield from volume_faults(workload, maps)


def selector_of(item):
    """The labels of the pods that an object is about, if it is about pods."""
    spec = item.get("spec", {})
    match item["kind"]:
        case "Service":
            return spec["selector"]
        case "NetworkPolicy":
            return spec["podSelector"]["matchLabels"]
        case "PodDisruptionBudget":
            return spec["selector"]["matchLabels"]


def link_faults(found):
    """What objects say of each other."""
    of_kind = {}
    for item in found:
        of_kind.setdefault(item["kind"], []).append(item)
    names = {kind: {item["metadata"]["name"] for item in items} for kind, items in of_kind.items() if kind != "Kustomization"}
    workloads = [item for item in found if item["kind"] in WORKLOADS]
    for workload in workloads:
        faults = workload_faults(workload, names.get("ConfigMap", set()), names.get("Service", set()))
        yield from (f"{name_of(workload)}: {fault}" for fault in faults)
    pods = [workload["spec"]["template"]["metadata"]["labels"].items() for workload in workloads]
    for item in found:
        wanted = selector_of(item)
        if wanted is not None and not any(wanted.items() <= labels for labels in pods):
            yield f"{name_of(item)}: selects no pods"
    for item in of_kind.get("ScaledObject", []):
        target = item["spec"]["scaleTargetRef"]
        if target["name"] not in names.get(target.get("kind", "Deployment"), set()):
            yield f"{name_of(item)}: scales what does not exist"
    namespaces = names.get("Namespace", set())
    for item in found:
        if item["kind"] not in CLUSTER_WIDE and {item["metadata"].get("namespace")} != namespaces:
            yield f"{name_of(item)}: is not in the namespace of the folder"


def kustomization_faults(folder, found, paths):
    [kustomization] = [item for item in found if item["kind"] == "Kustomization"]
    # Those of extensions are for clusters that have the extension.
    standard = {path.name: load_yaml_documents(path) for path in paths}
    standard = {name: items for name, items in standard.items() if items[0]["kind"] not in EXTENSIONS}
    if set(kustomization["resources"]) != standard.keys():
        yield f"kustomization.yaml: should name {', '.join(sorted(standard))}"
    if shutil.which("kubectl"):
        built = run("kubectl", "kustomize", folder)
        if built.returncode != 0 or built.stdout.count("\nkind: ") != sum(map(len, standard.values())):
            yield f"kubectl kustomize:\n{built.stdout}{built.stderr}"


def folder_faults(folder, is_kustomized):
    paths = sorted(folder.glob("*.yaml"))
    found = [document for path in paths for document in load_yaml_documents(path)]
    yield from schema_faults(paths)
    yield from link_faults(found)
    if is_kustomized:
        yield from kustomization_faults(folder, found, paths)
    names = [(item["kind"], item.get("metadata", {}).get("name")) for item in found]
    if len(set(names)) != len(names):
        yield "two objects are the same"


def main():
    faults, objects = [], 0
    for name, is_kustomized in FOLDERS.items():
        folder = DEPLOY / name
        faults += [f"{name}: {fault}" for fault in folder_faults(folder, is_kustomized)]
        objects += sum(len(load_yaml_documents(path)) for path in folder.glob("*.yaml"))
    unjudged = {path.name for path in DEPLOY.glob("kubernetes*")} - FOLDERS.keys()
    faults += [f"{name}: nobody judges it" for name in sorted(unjudged)]
    finish("kubernetes", faults, f"{objects} objects are valid in Kubernetes {' and '.join(VERSIONS)}")


if __name__ == "__main__":
    main()
