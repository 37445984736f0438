"""Judges deploy/alertmanager: amtool's check, the table of routes, and inhibition in a real Alertmanager."""

import json
import re
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

from common import DEPLOY, PEERS, finish, load_yaml, run

CONFIGURATION = DEPLOY / "alertmanager/alertmanager.yml"
START_SECONDS_MAX = 20
ANSWER_SECONDS_MAX = 20


def check_faults():
    for path in (CONFIGURATION, DEPLOY / "compose/alertmanager.yml"):
        result = run(PEERS / "amtool", "check-config", path)
        if result.returncode != 0:
            yield f"{path.name}:\n{result.stdout}{result.stderr}"


def route_faults(cases):
    for case in cases:
        labels = [f"{name}={value}" for name, value in case["labels"].items()]
        wanted = ",".join(case["receivers"])
        result = run(PEERS / "amtool", "config", "routes", "test", f"--config.file={CONFIGURATION}",
                     f"--verify.receivers={wanted}", *labels)
        if result.returncode != 0:
            yield f"{' '.join(labels)} does not go to {wanted}: {result.stdout}{result.stderr}"


def silent_configuration():
    """The configuration with its routes and inhibition, and receivers that notify nobody."""
    configuration = load_yaml(CONFIGURATION)
    configuration["receivers"] = [{"name": receiver["name"]} for receiver in configuration["receivers"]]
    return configuration


def wait_for(what, seconds, attempt):
    """The first answer of `attempt` that is not None."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        answer = attempt()
        if answer is not None:
            return answer
        time.sleep(0.05)
    raise TimeoutError(f"{what}: not within {seconds} s")


def address_in(log):
    found = re.search(r'msg="Listening on" address="?([\d.]+:\d+)', log.read_text(encoding="utf-8"))
    return found and found[1]


def get_alerts(url):
    with urllib.request.urlopen(f"{url}/api/v2/alerts", timeout=ANSWER_SECONDS_MAX) as answer:
        return json.load(answer)


def post_alerts(url, alerts):
    body = json.dumps([{"labels": labels} for labels in alerts]).encode()
    request = urllib.request.Request(f"{url}/api/v2/alerts", body, {"Content-Type": "application/json"})
    urllib.request.urlopen(request, timeout=ANSWER_SECONDS_MAX).close()


def inhibited(url):
    """Label sets of the alerts that others keep quiet."""
    return {frozenset(alert["labels"].items()) for alert in get_alerts(url) if alert["status"]["inhibitedBy"]}


def inhibition_faults(url, cases):
    # Alertmanager takes alerts into account one after the other, in their order: once those that keep others quiet
    # do so, all before them have been considered.
    cases = sorted(cases, key=lambda case: case["quiet"])
    post_alerts(url, [case["firing"] for case in cases])
    post_alerts(url, [case["other"] for case in cases])
    wanted = {frozenset(case["other"].items()) for case in cases if case["quiet"]}
    try:
        wait_for("inhibition", ANSWER_SECONDS_MAX, lambda: True if wanted <= inhibited(url) else None)
    except TimeoutError:
        pass  # Said below, case by case.
    found = inhibited(url)
    for case in cases:
        if (frozenset(case["other"].items()) in found) != case["quiet"]:
            yield f"inhibition: not so: {case['what']}"


def inhibition_faults_of_a_real_one(cases):
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        (folder / "alertmanager.yml").write_text(json.dumps(silent_configuration()), encoding="utf-8")
        log = folder / "log"
        command = [PEERS / "prometheus-alertmanager", f"--config.file={folder / 'alertmanager.yml'}",
                   f"--storage.path={folder}", "--web.listen-address=127.0.0.1:0", "--cluster.listen-address="]
        with log.open("wb") as output:
            server = subprocess.Popen([str(part) for part in command], stdout=output, stderr=output)
        try:
            address = wait_for("Alertmanager", START_SECONDS_MAX, lambda: address_in(log))
            return list(inhibition_faults(f"http://{address}", cases))
        finally:
            server.terminate()
            server.wait(ANSWER_SECONDS_MAX)


def main():
    cases = load_yaml(CONFIGURATION.with_suffix(".test.yml"))
    faults = [*check_faults(), *route_faults(cases["routes"])]
    if not faults:
        faults = inhibition_faults_of_a_real_one(cases["inhibition"])
    finish("alertmanager", faults, f"{len(cases['routes'])} routes, {len(cases['inhibition'])} cases of inhibition")


if __name__ == "__main__":
    main()
