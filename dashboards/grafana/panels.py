"""The kinds of panels that the dashboards are made of."""

from __future__ import annotations

from typing import Any, Final

from grafana_foundation_sdk.builders import common, dashboard, heatmap, prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog import builder, variants
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import heatmap as heatmap_models
from grafana_foundation_sdk.models.dashboard import DataSourceRef
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

PROMETHEUS: Final = DataSourceRef(type_val="prometheus", uid="hft-prometheus")
POSTGRES: Final = DataSourceRef(type_val="grafana-postgresql-datasource", uid="hft-postgres")
"""As provisioning/datasources has them."""

WHOLE: Final = 24
HALF: Final = 12
QUARTER: Final = 6
HEIGHT: Final = 8

Panel = builder.Builder[Any]


class Sql(variants.Dataquery, builder.Builder[Any]):
    """A query of the Postgres data source, which the SDK has no builder for."""

    def __init__(self, text: str, *, series: bool) -> None:
        """`series`: the first column is a time, the others are values; otherwise it is a table."""
        self._text = " ".join(text.split())
        self._format = "time_series" if series else "table"

    def build(self) -> Sql:
        return self

    def to_json(self) -> dict[str, object]:
        return {
            "datasource": POSTGRES,
            "format": self._format,
            "rawQuery": True,
            "editorMode": "code",
            "rawSql": self._text,
            "refId": "A",
        }


def query(expression: str, legend: str = "", ref: str = "A") -> prometheus.Dataquery:
    made = prometheus.Dataquery().expr(expression).ref_id(ref).datasource(PROMETHEUS).range()
    return made.legend_format(legend) if legend else made


def _lines(title: str, about: str, unit: str, width: int) -> timeseries.Panel:
    legend = common.VizLegendOptions().show_legend(True).placement(common_models.LegendPlacement.BOTTOM)
    return (
        timeseries.Panel()
        .title(title)
        .description(about)
        .unit(unit)
        .height(HEIGHT)
        .span(width)
        .fill_opacity(8)
        .show_points(common_models.VisibilityMode.NEVER)
        .legend(legend.display_mode(common_models.LegendDisplayMode.LIST).calcs([]))
        .tooltip(common.VizTooltipOptions().mode(common_models.TooltipDisplayMode.MULTI))
    )


def lines(title: str, *queries: tuple[str, str], unit: str = "short", about: str = "", width: int = HALF) -> Panel:
    """Curves of Prometheus; `queries` are (expression, legend)."""
    panel = _lines(title, about, unit, width).datasource(PROMETHEUS)
    for place, (expression, legend) in enumerate(queries):
        panel.with_target(query(expression, legend, chr(ord("A") + place)))
    return panel


def sql_lines(title: str, text: str, *, unit: str = "short", about: str = "", width: int = HALF) -> Panel:
    """Curves of Postgres: the columns `time`, `metric` and a value."""
    return _lines(title, about, unit, width).datasource(POSTGRES).with_target(Sql(text, series=True))


def figure(title: str, expression: str, *, unit: str = "short", about: str = "") -> Panel:
    """One number, with its way over time behind it."""
    return (
        stat.Panel()
        .title(title)
        .description(about)
        .unit(unit)
        .height(4)
        .span(QUARTER)
        .datasource(PROMETHEUS)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
        .graph_mode(common_models.BigValueGraphMode.AREA)
        .with_target(query(expression))
    )


def rows(title: str, text: str, *, about: str = "", width: int = WHOLE) -> Panel:
    """A table of Postgres."""
    return (
        table.Panel()
        .title(title)
        .description(about)
        .height(HEIGHT)
        .span(width)
        .datasource(POSTGRES)
        .with_target(Sql(text, series=False))
    )


def heat(title: str, histogram: str, *, about: str = "", width: int = HALF) -> Panel:
    """How the durations of a histogram (with its labels) are spread, over time."""
    name, brace, labels = histogram.partition("{")
    expression = f"sum by (le) (increase({name}_bucket{brace}{labels}[$__rate_interval]))"
    target = query(expression, "{{le}}").format(PromQueryFormat.HEATMAP)
    axis = heatmap.YAxisConfig().unit("s").axis_placement(common_models.AxisPlacement.LEFT)
    color = heatmap.HeatmapColorOptions().mode(heatmap_models.HeatmapColorMode.SCHEME).scheme("Oranges").steps(64)
    return (
        heatmap.Panel()
        .title(title)
        .description(about)
        .height(HEIGHT)
        .span(width)
        .datasource(PROMETHEUS)
        .calculate(False)
        .y_axis(axis)
        .color(color.exponent(0.5).fill("dark-orange"))
        .with_target(target)
    )


def quantiles(title: str, histogram: str, *, about: str = "", width: int = HALF) -> Panel:
    """p50, p95, p99 and p99.9 of a histogram of seconds (with its labels)."""
    name, brace, labels = histogram.partition("{")
    inner = f"sum by (le) (rate({name}_bucket{brace}{labels}[$__rate_interval]))"
    parts = ((f"histogram_quantile({part}, {inner})", f"p{part * 100:g}") for part in (0.5, 0.95, 0.99, 0.999))
    return lines(title, *parts, unit="s", about=about, width=width)


def board(name: str, title: str, about: str, sections: dict[str, list[Panel]]) -> dashboard.Dashboard:
    """A dashboard of named rows of panels."""
    made = (
        dashboard.Dashboard(f"hft: {title}")
        .uid(f"hft-{name}")
        .description(about)
        .tags(["hft"])
        .readonly()
        .refresh("10s")
        .time("now-30m", "now")
        .timezone("browser")
        .link(dashboard.DashboardLink("hft").type("dashboards").tags(["hft"]).as_dropdown(True).keep_time(True))
    )
    for section, panels in sections.items():
        made.with_row(dashboard.Row(section))
        for panel in panels:
            made.with_panel(panel)
    return made
