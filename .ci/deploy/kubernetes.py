"""Judges deploy/kubernetes: schemas of Kubernetes itself, the pod's fences and probes, and the kustomization."""

import shutil
import sys
from pathlib import Path

from common import DEPLOY, finish, load_yaml, load_yaml_documents, run

FOLDER = DEPLOY / "kubernetes"
TOOLS = Path(sys.executable).parent
# The oldest and the newest version that the manifests are held to.
VERSIONS = ["1.29.0", "1.36.0"]
# Kinds that are no part of Kubernetes.
EXTENSIONS = {"Kustomization", "ServiceMonitor"}
PROBES = {"startupProbe": "/-/ready", "livenessProbe": "/-/healthy", "readinessProbe": "/-/ready"}


def schema_faults(paths):
    for version in VERSIONS:
        checked = run(TOOLS / "kubernetes-validate", "--strict", "--no-warn", "--quiet", "-k", version, *paths)
        if checked.returncode != 0:
            yield f"Kubernetes {version}:\n{checked.stdout}{checked.stderr}"


def pod_faults(pod):
    context = pod["securityContext"]
    if pod.get("automountServiceAccountToken") is not False:
        yield "pod: has a token that it does not need"
    if context.get("runAsNonRoot") is not True or context.get("seccompProfile") != {"type": "RuntimeDefault"}:
        yield "pod: runs as root or without seccomp"
    if pod.get("terminationGracePeriodSeconds") != 15:
        yield "pod: is not given 15 seconds to end"
    for container in pod["containers"]:
        context = container["securityContext"]
        if (context.get("readOnlyRootFilesystem") is not True or context.get("allowPrivilegeEscalation") is not False
                or context.get("capabilities") != {"drop": ["ALL"]}):
            yield "container: may do more than it needs"
        for probe, path in PROBES.items():
            if container.get(probe, {}).get("httpGet", {}).get("path") != path:
                yield f"container: {probe} does not ask {path}"
        if "memory" not in container["resources"].get("limits", {}):
            yield "container: has no limit on memory"


def link_faults(objects):
    """What objects say of each other."""
    stateful = objects["StatefulSet"]["spec"]
    labels = stateful["template"]["metadata"]["labels"].items()
    selectors = {"StatefulSet": stateful["selector"]["matchLabels"],
                 "Service": objects["Service"]["spec"]["selector"],
                 "NetworkPolicy": objects["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"]}
    yield from (f"{kind}: does not select the pods" for kind, wanted in selectors.items() if not wanted.items() <= labels)
    if stateful["serviceName"] != objects["Service"]["metadata"]["name"]:
        yield "StatefulSet: its service does not exist"
    pod = stateful["template"]["spec"]
    volumes = {volume["name"] for volume in pod["volumes"]}
    volumes |= {claim["metadata"]["name"] for claim in stateful["volumeClaimTemplates"]}
    mounts = {mount["name"] for container in pod["containers"] for mount in container["volumeMounts"]}
    if mounts != volumes:
        yield "StatefulSet: volumes and mounts differ"
    maps = {volume["configMap"]["name"] for volume in pod["volumes"] if "configMap" in volume}
    if maps != {objects["ConfigMap"]["metadata"]["name"]}:
        yield "StatefulSet: its configuration does not exist"
    namespace = objects["Namespace"]["metadata"]["name"]
    for kind, item in objects.items():
        if kind not in {"Namespace", "Kustomization"} and item["metadata"].get("namespace") != namespace:
            yield f"{kind}: is not in the namespace {namespace}"


def kustomization_faults(objects, paths):
    # Those of extensions are for clusters that have the extension.
    standard = {path.name for path in paths if load_yaml(path)["kind"] not in EXTENSIONS}
    if set(objects["Kustomization"]["resources"]) != standard:
        yield f"kustomization.yaml: should name {', '.join(sorted(standard))}"
    if shutil.which("kubectl"):
        built = run("kubectl", "kustomize", FOLDER)
        if built.returncode != 0 or built.stdout.count("\nkind: ") != len(standard):
            yield f"kubectl kustomize:\n{built.stdout}{built.stderr}"


def main():
    paths = sorted(FOLDER.glob("*.yaml"))
    found = [document for path in paths for document in load_yaml_documents(path)]
    objects = {document["kind"]: document for document in found}
    faults = [*schema_faults(paths), *pod_faults(objects["StatefulSet"]["spec"]["template"]["spec"]),
              *link_faults(objects), *kustomization_faults(objects, paths)]
    if len(objects) != len(found):
        faults.append("two objects are of the same kind")
    finish("kubernetes", faults, f"{len(found)} objects are valid in Kubernetes {' and '.join(VERSIONS)}")


if __name__ == "__main__":
    main()
