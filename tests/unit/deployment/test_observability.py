"""Prometheus, its alerts, Grafana and the table of metrics speak of services and metrics that exist."""

from __future__ import annotations

import json
import re

import pytest
import yaml
from prometheus_client import CollectorRegistry
from prometheus_client.process_collector import ProcessCollector

from skymesh.telemetry.metrics import METRICS
from support.promql import names_of

OF_TARGETS = {"job", "instance", "service"}
FUNCTIONS = {"absent", "count", "histogram_quantile", "increase", "label_values", "max", "min", "rate", "sum"}


@pytest.fixture
def root(pytestconfig):
    return pytestconfig.rootpath


@pytest.fixture
def folder(root):
    return root / "services" / "observability"


@pytest.fixture
def services(root):
    return yaml.safe_load((root / "docker-compose.yml").read_text())["services"]


@pytest.fixture
def scrape(folder):
    [config] = yaml.safe_load((folder / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    return config


@pytest.fixture
def rules(folder):
    [group] = yaml.safe_load((folder / "prometheus" / "alerts.yml").read_text())["groups"]
    return group["rules"]


@pytest.fixture
def dashboard(folder):
    return json.loads((folder / "grafana" / "dashboards" / "skymesh.json").read_text())


@pytest.fixture
def panels(dashboard):
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


@pytest.fixture
def queries(dashboard, panels):
    variables = [variable["query"]["query"] for variable in dashboard["templating"]["list"]]
    return variables + [target["expr"] for panel in panels for target in panel["targets"]]


def labels_by_series():
    """Return the labels of every series that a service or Prometheus itself exposes."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    known = {sample.name: set() for family in registry.collect() for sample in family.samples}
    known["up"] = set()
    for metric in METRICS:
        known |= {name: {*metric.labels, "le"} for name in metric.series()}
    return known


def check_names(expression):
    names, known = names_of(expression), labels_by_series()
    columns = (
        {word for word in names.metrics if word in {"tier", "channel"}}
        if "label_values" in expression
        else set()
    )
    assert names.functions <= FUNCTIONS
    assert names.metrics - columns
    assert names.metrics - columns <= known.keys()
    assert names.labels <= OF_TARGETS.union(*(known[name] for name in names.metrics - columns))


@pytest.mark.parametrize(
    "expression,metrics,labels,functions",
    [
        ("up", {"up"}, set(), set()),
        (
            'sum by (a, b) (rate(x_total{c=~"$c", d!="up"}[5m])) / y > 0.5',
            {"x_total", "y"},
            set("abcd"),
            {"sum", "rate"},
        ),
        ("a > 0 and on (tier) b == 0", {"a", "b"}, {"tier"}, set()),
        (
            "histogram_quantile(0.98, sum(z_bucket) by (le))",
            {"z_bucket"},
            {"le"},
            {"histogram_quantile", "sum"},
        ),
    ],
)
def test_names_are_read_from_expressions(expression, metrics, labels, functions):
    assert names_of(expression) == (metrics, labels, functions)


@pytest.mark.parametrize("broken", ["sum(up", 'rate(up{job="a)', "up ? 1"])
def test_what_is_no_expression_is_refused(broken):
    with pytest.raises(ValueError):
        names_of(broken)


def test_prometheus_looks_for_every_service_that_has_metrics_at_their_port(scrape, services):
    [found] = scrape["dns_sd_configs"]
    with_metrics = {n for n, s in services.items() if "SKYMESH_METRICS_PORT" in s.get("environment", {})}
    assert set(found["names"]) == with_metrics
    ports = {services[name]["environment"]["SKYMESH_METRICS_PORT"] for name in with_metrics}
    assert ports == {str(found["port"])}


def test_prometheus_reads_the_alerts_beside_it(folder):
    config = yaml.safe_load((folder / "prometheus" / "prometheus.yml").read_text())
    assert [(folder / "prometheus" / name).is_file() for name in config["rule_files"]] == [True]


def test_alerts_ask_for_metrics_and_labels_that_exist(rules):
    for rule in rules:
        check_names(rule["expr"])


def test_every_alert_says_what_it_means_and_what_to_do(rules):
    for rule in rules:
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert set(rule["annotations"]) == {"summary", "description"}
        asked = names_of(rule["expr"]).labels
        told = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
        assert told <= asked
    assert len({rule["alert"] for rule in rules}) == len(rules)


def test_the_absence_of_any_service_is_an_alert(rules, scrape):
    [rule] = [rule for rule in rules if rule["alert"] == "SkymeshServiceAbsent"]
    asked = re.findall(r'absent\(up\{job="(\w+)", service="(\w+)"\}\)', rule["expr"])
    assert asked == [(scrape["job_name"], name) for name in scrape["dns_sd_configs"][0]["names"]]


def test_the_dashboard_asks_for_metrics_and_labels_that_exist(queries):
    for query in queries:
        check_names(query)


def test_the_dashboard_shows_every_metric(queries):
    shown = set().union(*(names_of(query).metrics for query in queries))
    for metric in METRICS:
        assert shown & set(metric.series())


def test_variables_of_the_dashboard_are_its_own_or_grafanas(dashboard, queries):
    own = {variable["name"] for variable in dashboard["templating"]["list"]}
    used = {name for query in queries for name in re.findall(r"\$(\w+)", query)}
    assert used == own | {"__rate_interval"}


def test_legends_name_labels_that_the_query_keeps(panels):
    for panel in panels:
        for target in panel["targets"]:
            kept = re.findall(r"by \(([^)]*)\)", target["expr"])[0]
            assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= set(kept.split(", "))


def test_panels_do_not_overlap_and_have_their_own_ids(dashboard):
    cells = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        mine = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not mine & cells
        assert max(x for x, _ in mine) < 24
        cells |= mine
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def test_grafana_finds_prometheus_and_the_dashboard(folder, panels, services):
    provisioning = folder / "grafana" / "provisioning"
    [source] = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text())["datasources"]
    assert re.fullmatch(r"http://(\w+):9090", source["url"])[1] in services
    assert {panel["datasource"]["uid"] for panel in panels} == {source["uid"]}
    [provider] = yaml.safe_load((provisioning / "dashboards" / "skymesh.yml").read_text())["providers"]
    mounts = dict(mount.split(":")[:2] for mount in services["grafana"]["volumes"])
    assert provider["options"]["path"] == mounts["./services/observability/grafana/dashboards"]
    home = services["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home == f"{provider['options']['path']}/skymesh.json"


def test_the_readme_has_the_table_of_all_metrics(folder):
    head = "| metric | type | labels | meaning |\n|---|---|---|---|\n"
    table = (folder / "README.md").read_text().partition(head)[2]
    rows = []
    for metric in METRICS:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        rows.append(f"| `{metric.name}` | {metric.kind} | {labels} | {metric.meaning} |\n")
    assert table == "".join(rows)
