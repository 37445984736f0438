"""Judges deploy/prometheus: promtool's checks and tests, every metric exists, every alert is tested both ways."""

from common import DEPLOY, OF_PROMETHEUS, PEERS, documented_metrics, finish, load_yaml, metrics_in, run

FOLDER = DEPLOY / "prometheus"
RULES = "bellwether.rules.yml"
TESTS = "bellwether.rules.test.yml"
# Fires always, so nothing can show it quiet.
ALWAYS = {"BellwetherDeadMansSwitch"}
SEVERITIES = {"critical", "warning", "none"}


def promtool_faults():
    for arguments in (["check", "rules", RULES], ["test", "rules", TESTS]):
        result = run(PEERS / "promtool", *arguments, cwd=FOLDER)
        if result.returncode != 0:
            yield f"promtool {' '.join(arguments)}:\n{result.stdout}{result.stderr}"


def rule_faults(rules):
    exist = documented_metrics() | OF_PROMETHEUS
    names = [rule["alert"] for rule in rules]
    yield from (f"{name} is there twice" for name in {name for name in names if names.count(name) > 1})
    for rule in rules:
        unknown = metrics_in(rule["expr"]) - exist
        if unknown:
            yield f"{rule['alert']}: no such metric: {', '.join(sorted(unknown))}"
        if rule.get("labels", {}).get("severity") not in SEVERITIES:
            yield f"{rule['alert']}: severity is none of {', '.join(sorted(SEVERITIES))}"
        if not {"summary", "description"} <= rule.get("annotations", {}).keys():
            yield f"{rule['alert']}: lacks summary or description"


def coverage_faults(rules):
    seen = {True: set(), False: set()}
    for test in load_yaml(FOLDER / TESTS)["tests"]:
        for case in test["alert_rule_test"]:
            seen[bool(case.get("exp_alerts"))].add(case["alertname"])
    for rule in rules:
        name = rule["alert"]
        if name not in seen[True]:
            yield f"{name}: no test shows it firing"
        if name not in seen[False] | ALWAYS:
            yield f"{name}: no test shows it quiet"


def main():
    rules = [rule for group in load_yaml(FOLDER / RULES)["groups"] for rule in group["rules"]]
    faults = [*promtool_faults(), *rule_faults(rules), *coverage_faults(rules)]
    finish("rules", faults, f"{len(rules)} alerts, each tested firing and quiet")


if __name__ == "__main__":
    main()
