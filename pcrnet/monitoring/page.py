"""The page of daily use: one self-contained HTML file, and the same as JSON."""

from __future__ import annotations

import base64
import io
import math
from importlib import resources
from pathlib import Path
from typing import Any

from pcrnet import __version__
from pcrnet.monitoring.charts import Group
from pcrnet.monitoring.limit import PATIENTS
from pcrnet.monitoring.reach import RUNS, WITHIN, Reach
from pcrnet.monitoring.watch import Watch, Watched, to_json
from pcrnet.storage import write_json, write_text

_GROUPS: tuple[Group, ...] = (
    "inputs",
    "predicted prevalence",
    "calibration",
    "observed prevalence",
    "strangers",
)
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#5f6670")
_NAMED = 3


def write_watch(found: Watch, out: Path, *, torn: bool = False) -> Path:
    """Write ``index.html`` and ``monitor.json`` into a folder; returns the page."""
    write_json(out / "monitor.json", to_json(found))
    page = out / "index.html"
    write_text(page, render_watch(found, torn=torn))
    return page


def render_watch(found: Watch, *, torn: bool = False) -> str:
    """The page; nothing is loaded from anywhere."""
    from jinja2 import Environment, StrictUndefined

    source = resources.files("pcrnet.monitoring").joinpath("templates/monitor.html.j2")
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    template = environment.from_string(source.read_text(encoding="utf-8"))
    record = to_json(found)
    alarms = [
        {**of, "size": _size(one)} for of, one in zip(record["alarms"], found.alarms, strict=True)
    ]
    picture = base64.b64encode(charts_picture(found)).decode()
    return template.render(
        version=__version__,
        bundle=found.bundle,
        patients=len(found.predictions),
        first=found.predictions[0].time[:10],
        last=found.predictions[-1].time[:10],
        outcomes=found.outcomes,
        refused=found.refused,
        torn=torn,
        alarms=alarms,
        groups={one.chart.group for one in found.alarms},
        false_patients=f"{PATIENTS:,}",
        picture=f"data:image/png;base64,{picture}",
        series=_series(found),
        reach=[_reach(one) for one in found.reach],
        within=WITHIN,
        runs=RUNS,
        trained=found.baseline.patients,
    )


def charts_picture(found: Watch) -> bytes:
    """Every group of charts in a panel of its own; PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    groups = [group for group in _GROUPS if any(one.chart.group == group for one in found.charts)]
    figure = Figure(figsize=(8.6, 0.4 + 1.75 * len(groups)), layout="constrained")
    panels = figure.subplots(len(groups), 1, sharex=True, squeeze=False)[:, 0]
    numbers = range(1, len(found.predictions) + 1)
    for axes, group in zip(panels, groups, strict=True):
        own = sorted(
            (one for one in found.charts if one.chart.group == group),
            key=lambda one: -float(one.path.max(initial=0.0)),
        )
        for place, one in enumerate(own):
            named = place < _NAMED
            axes.plot(
                numbers,
                one.path,
                color=_COLOURS[place % len(_COLOURS)] if named else "#c5cad1",
                linewidth=1.3 if named else 0.7,
                zorder=2 if named else 1,
                label=f"{_short(one)} {'↑' if one.chart.up else '↓'}" if named else None,
            )
            if one.alarm is not None:
                axes.plot(one.alarm, one.path[one.alarm - 1], "o", color="#d55e00", markersize=4)
        axes.axhline(own[0].limit, color="#1f2328", linestyle="--", linewidth=0.8)
        highest = max(float(one.path.max(initial=0.0)) for one in own)
        axes.set_ylim(0.0, max(1.3 * own[0].limit, 1.05 * highest))
        axes.set_title(group, fontsize=9, loc="left")
        axes.tick_params(labelsize=8)
        axes.legend(fontsize=7, loc="upper left", frameon=False, ncols=_NAMED)
        axes.spines[["top", "right"]].set_visible(False)
    panels[-1].set_xlabel("patient", fontsize=9)
    FigureCanvasAgg(figure)
    stream = io.BytesIO()
    figure.savefig(stream, dpi=120, format="png", metadata={"Software": None})
    return stream.getvalue()


def _short(one: Watched) -> str:
    return one.chart.name.removeprefix("covariate.").removeprefix("prob_").removeprefix("label_")


def _size(one: Watched) -> str:
    if not math.isfinite(one.estimate):
        return ""
    if one.chart.group == "inputs":
        return f"{one.estimate:+.2f} SD"
    if one.chart.group == "strangers":
        return f"{one.estimate:.0%} of the patients"
    return f"{100 * one.estimate:+.0f} points"


def _reach(one: Reach) -> dict[str, str]:
    return {
        "change": one.change,
        "median": f"{one.median:.0f} patients" if math.isfinite(one.median) else "later than 600",
        "within": f"{one.within:.0%} ({one.low:.0%} to {one.high:.0%})",
        "bound": f"{one.bound:.0f}" if math.isfinite(one.bound) else "",
    }


def _series(found: Watch) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "then": f"{then:.3g}",
            "now": f"{now:.3g}" if math.isfinite(now) else "none",
            "apart": f"{round(apart, 2) + 0.0:+.2f} SD" if math.isfinite(apart) else "",
        }
        for name, (then, now, apart) in found.summary.items()
    ]
