"""Holds a report of `bellwether demo --json` to what the README says of it."""

import json
import sys

FOUND_MIN = 13
FALSE_ALARMS_MAX = 5


def count(value):
    """The report gives either a number or the things themselves."""
    return len(value) if isinstance(value, list) else value


def main(path):
    with open(path, encoding="utf-8") as file:
        report = json.load(file)
    figures = {name: count(report[name]) for name in ("incidents", "found", "missed", "false_alarms")}
    print("demo:", ", ".join(f"{name} {figure}" for name, figure in figures.items()))
    faults = []
    if figures["incidents"] < 12:
        faults.append("fewer than 12 incidents")
    if figures["found"] + figures["missed"] != figures["incidents"]:
        faults.append("found and missed do not make up the incidents")
    if figures["found"] < FOUND_MIN:
        faults.append(f"found fewer than {FOUND_MIN}")
    if figures["false_alarms"] > FALSE_ALARMS_MAX:
        faults.append(f"more than {FALSE_ALARMS_MAX} false alarms")
    if faults:
        sys.exit("demo: " + "; ".join(faults))


if __name__ == "__main__":
    main(sys.argv[1])
