"""Judges deploy/grafana: layout, variables, and queries: parsed by Prometheus, naming only metrics that exist."""

import json
import re

from common import DEPLOY, OF_PROMETHEUS, documented_metrics, finish, load_yaml, metrics_in, syntax_faults

FOLDER = DEPLOY / "grafana"
# Stands for whatever metric is chosen.
ANY_METRIC = "any_metric"
VARIABLE = re.compile(r"\$(?:\{(\w+)(?::\w+)?\}|(\w+))")
# What Grafana defines itself, with a value to parse with.
BUILT_IN = {"__rate_interval": "1m", "__interval": "1m", "__range": "1h"}
# How the dashboards' own variables look in a query; all others stand inside a regular expression.
SAMPLES = {"metric": ANY_METRIC, "series": 'instance="a",job="b"'}
# Panels whose numbers need a unit.
NUMERIC = {"stat", "timeseries", "state-timeline"}
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}


def substituted(text):
    """`text` with a value for every variable."""
    def value(match):
        name = match[1] or match[2]
        return BUILT_IN.get(name) or SAMPLES.get(name, ".*")
    return VARIABLE.sub(value, text)


def variables_in(text):
    return {one or other for one, other in VARIABLE.findall(text)}


def expressions_of(dashboard):
    """Place and PromQL of everything that the dashboard asks of Prometheus."""
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield f"{panel['title']}, query {target['refId']}", target["expr"]
    for annotation in dashboard["annotations"]["list"]:
        if "expr" in annotation:
            yield f"annotation {annotation['name']}", annotation["expr"]
    for variable in dashboard["templating"]["list"]:
        if variable["type"] != "query":
            continue
        asked = re.fullmatch(r"(label_values|query_result)\((.*?)(?:, (\w+))?\)", variable["definition"])
        yield f"variable {variable['name']}", asked[2] if asked else variable["definition"]


def query_faults(dashboard, exist):
    expressions = {place: substituted(text) for place, text in expressions_of(dashboard)}
    yield from syntax_faults(expressions)
    for place, expression in expressions.items():
        unknown = metrics_in(expression) - exist
        if unknown:
            yield f"{place}: no such metric: {', '.join(sorted(unknown))}"


def overlaps(one, other):
    a, b = one["gridPos"], other["gridPos"]
    return (a["x"] < b["x"] + b["w"] and b["x"] < a["x"] + a["w"]
            and a["y"] < b["y"] + b["h"] and b["y"] < a["y"] + a["h"])


def layout_faults(panels):
    ids = [panel["id"] for panel in panels]
    if len(set(ids)) != len(ids):
        yield "two panels have the same id"
    for index, panel in enumerate(panels):
        position = panel["gridPos"]
        if position["x"] + position["w"] > 24 or min(position.values()) < 0:
            yield f"{panel['title']}: leaves the grid"
        for other in panels[index + 1:]:
            if overlaps(panel, other):
                yield f"{panel['title']} and {other['title']} overlap"


def panel_faults(panel):
    if panel["type"] == "row":
        return
    if not panel.get("description"):
        yield f"{panel['title']}: says not what it shows"
    if panel["type"] in NUMERIC and not panel["fieldConfig"]["defaults"].get("unit"):
        yield f"{panel['title']}: has no unit"
    for part in [panel, *panel["targets"]]:
        if part["datasource"] != DATASOURCE:
            yield f"{panel['title']}: its data source is not the variable"
    references = [target["refId"] for target in panel["targets"]]
    if len(set(references)) != len(references):
        yield f"{panel['title']}: two queries have the same refId"


def variable_faults(dashboard):
    defined = {variable["name"] for variable in dashboard["templating"]["list"]}
    for place, text in expressions_of(dashboard):
        unknown = variables_in(text) - defined - BUILT_IN.keys()
        if unknown:
            yield f"{place}: no such variable: {', '.join(sorted(unknown))}"
    if "datasource" not in defined:
        yield "has no data source variable"
    asking = [variable for variable in dashboard["templating"]["list"] if variable["type"] == "query"]
    asking += [annotation for annotation in dashboard["annotations"]["list"] if "expr" in annotation]
    for one in asking:
        if one["datasource"] != DATASOURCE:
            yield f"{one['name']}: its data source is not the variable"


def dashboard_faults(path, exist):
    dashboard = json.loads(path.read_text(encoding="utf-8"))
    if dashboard.get("id") is not None or not dashboard.get("uid") or dashboard.get("schemaVersion", 0) < 39:
        yield "wants a uid, no id, and schemaVersion 39 or later"
    yield from layout_faults(dashboard["panels"])
    for panel in dashboard["panels"]:
        yield from panel_faults(panel)
    yield from variable_faults(dashboard)
    yield from query_faults(dashboard, exist)


def provisioning_faults():
    sources = load_yaml(FOLDER / "provisioning/datasources/bellwether.yml")
    providers = load_yaml(FOLDER / "provisioning/dashboards/bellwether.yml")
    if sources["apiVersion"] != 1 or providers["apiVersion"] != 1:
        yield "provisioning: apiVersion is not 1"
    for source in sources["datasources"]:
        missing = {"name", "uid", "type", "access", "url"} - source.keys()
        if missing:
            yield f"data source {source.get('name')}: lacks {', '.join(sorted(missing))}"
    for provider in providers["providers"]:
        if provider.get("type") != "file" or not provider.get("options", {}).get("path"):
            yield f"provider {provider.get('name')}: wants type file and a path"


def main():
    paths = sorted((FOLDER / "dashboards").glob("*.json"))
    exist = documented_metrics() | OF_PROMETHEUS | {ANY_METRIC}
    faults = [f"{path.name}: {fault}" for path in paths for fault in dashboard_faults(path, exist)]
    documents = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    for key in ("uid", "title"):
        if len({document[key] for document in documents}) != len(documents):
            faults.append(f"two dashboards have the same {key}")
    faults += provisioning_faults()
    queries = sum(len(list(expressions_of(document))) for document in documents)
    if len(paths) < 3 or queries < 60:
        faults.append(f"only {len(paths)} dashboards with {queries} queries were found")
    finish("dashboards", faults, f"{len(paths)} with {queries} queries")


if __name__ == "__main__":
    main()
