"""What the judges of deploy/ share: paths, faults, and the metrics that exist."""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
# Folder of promtool, amtool and the servers; `.ci/peers` prints it.
PEERS = Path(os.environ["BELLWETHER_PEERS"])

# Series of Prometheus' own making.
OF_PROMETHEUS = {"ALERTS", "up"}


def load_yaml(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def load_yaml_documents(path):
    return [document for document in yaml.safe_load_all(path.read_text(encoding="utf-8")) if document]


def run(*command, **options):
    """The finished process, with its output as text."""
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, **options)


def finish(judge, faults, summary):
    """Ends the judge: with its faults, or with one line of what it found good."""
    for fault in faults:
        print(f"{judge}: {fault}", file=sys.stderr)
    if faults:
        sys.exit(1)
    print(f"{judge}: {summary}")


def documented_metrics():
    """Names of all series that the pages document which have tables of metrics."""
    names = set()
    pages = [ROOT / "docs/operating.md", ROOT / "docs/gateway.md"]
    for line in "\n".join(page.read_text(encoding="utf-8") for page in pages).splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) < 4:
            continue
        for name in re.findall(r"`((?:bellwether|process)_[a-z0-9_]+)`", cells[1]):
            suffixes = ["_bucket", "_sum", "_count"] if cells[2] == "histogram" else [""]
            names.update(name + suffix for suffix in suffixes)
    return names


STRING = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|`[^`]*`')
EXACT_NAME = re.compile(r'__name__\s*=\s*"([^"]*)"')
LABEL_LIST = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)")
IDENTIFIER = re.compile(r"(?<![\w.:])[a-zA-Z_:][\w:]*")
KEYWORDS = {"and", "or", "unless", "bool", "offset", "inf", "nan", "group_left", "group_right"}


def metrics_in(expression):
    """Names of the metrics that a valid PromQL expression asks for."""
    names = set(EXACT_NAME.findall(expression))
    rest = STRING.sub('""', expression)
    rest = re.sub(r"\{[^}]*\}|\[[^\]]*\]", " ", rest)
    rest = LABEL_LIST.sub(" ", rest)
    for match in IDENTIFIER.finditer(rest):
        is_function = rest[match.end():].lstrip().startswith("(")
        if not is_function and match[0].lower() not in KEYWORDS:
            names.add(match[0])
    return names


def syntax_faults(expressions):
    """Faults that Prometheus' own parser finds; `expressions` maps a place to its PromQL."""
    places = list(expressions)
    rules = [{"record": f"checked:{index}", "expr": expressions[place]} for index, place in enumerate(places)]
    if not rules:
        return
    with tempfile.NamedTemporaryFile("w", suffix=".yml", encoding="utf-8") as file:
        # JSON is YAML.
        json.dump({"groups": [{"name": "checked", "rules": rules}]}, file)
        file.flush()
        checked = run(PEERS / "promtool", "check", "rules", file.name)
    if checked.returncode == 0:
        return
    # promtool says `group "checked", rule 3, "checked:3"` and why.
    found = re.findall(r'"checked:(\d+)":?\s*(.*)', checked.stdout + checked.stderr)
    yield from (f"{places[int(index)]}: {why}: {expressions[places[int(index)]]}" for index, why in found)
    if not found:
        yield checked.stdout + checked.stderr
