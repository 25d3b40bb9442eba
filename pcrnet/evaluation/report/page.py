"""The report: one self-contained HTML page, readable on screen and on paper.

Nothing is loaded from anywhere and nothing runs: style, figures and pictures are in the file.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from pcrnet import __version__
from pcrnet.evaluation.population.patients import SMALLEST_LEVEL, readable
from pcrnet.evaluation.report.checklist import answer_items
from pcrnet.evaluation.report.figure_style import BLUE, GREY, VERMILLION
from pcrnet.evaluation.report.figures import PageFigure
from pcrnet.evaluation.report.rival_sentences import rival_groups
from pcrnet.evaluation.report.sentences import (
    SURGERY,
    how_to_lock,
    meaning,
    p_short,
    p_value,
    write_words,
)
from pcrnet.evaluation.report.tables import (
    comparison_rows,
    metric_groups,
    net_benefit_differences,
    net_benefit_rows,
    predictive_value_rows,
    rate_rows,
    recalibration_rows,
    score_rows,
    shipped_rows,
    short_rows,
)
from pcrnet.evaluation.results import HEAD_LABELS, Analysis, FailureCase, HeadResult
from pcrnet.evaluation.sources import Picture

if TYPE_CHECKING:
    from jinja2 import Environment, Template

_CONTENTS = {
    "answer": "The answer",
    "two-questions": "Two intervals",
    "rivals": "Beside other models",
    "patients": "Patients",
    "metrics": "Discrimination",
    "operating-point": "Operating point",
    "calibration": "Calibration",
    "validation": "External validation",
    "endpoints": "Endpoints of the trial",
    "use": "Acting on it",
    "subgroups": "Subgroups",
    "ablations": "What it rests on",
    "quantities": "Measured quantities",
    "cases": "Cases",
    "reading": "How to read it",
    "provenance": "Provenance",
    "checklist": "Checklist",
}
_PLACES = _CONTENTS | {
    "flow": "Flow of patients",
    "table-one": "Table 1",
    "power": "Power and sample size",
    "estimation": "Protocol of estimation",
    "configuration": "Configuration",
}


def render_report(analysis: Analysis, figures: Mapping[str, PageFigure]) -> str:
    """The page as HTML.

    Args:
        analysis: Everything that was computed.
        figures: By name, as the templates ask for them; what is not there is left out.
    """
    from markupsafe import Markup

    experiment = analysis.sources.experiment
    context: dict[str, Any] = {
        "version": __version__,
        "analysis": analysis,
        "figures": figures,
        "words": write_words(analysis),
        "surgery": SURGERY,
        "how_to_lock": how_to_lock(analysis.main.head),
        "meanings": {head: meaning(head, analysis.sources.definition) for head in HEAD_LABELS},
        "hundred": _hundred(analysis.main),
        "metric_groups": metric_groups(analysis.heads),
        "short_rows": short_rows(analysis.heads),
        "shipped_rows": shipped_rows(analysis.heads),
        "recalibration_rows": recalibration_rows(analysis.heads),
        "predictive_value_rows": predictive_value_rows(analysis.heads),
        "net_benefit_rows": net_benefit_rows(analysis.heads),
        "comparison_rows": comparison_rows(analysis),
        "rate_rows": rate_rows(analysis),
        "score_rows": score_rows(analysis),
        "net_benefit_differences": net_benefit_differences(analysis),
        "rival_groups": rival_groups(analysis),
        "cases": _cases(analysis),
        "other_pictures": _other_pictures(analysis),
        "smallest_level": SMALLEST_LEVEL,
        "provenance": _provenance(analysis),
        "configuration": experiment.without_paths().to_yaml() if experiment is not None else "",
    }
    answer, sections = (
        Markup(_template(name).render(context))  # noqa: S704 - rendered with escaping
        for name in ("answer.html.j2", "sections.html.j2")
    )
    anchors = set(re.findall(r'\bid="([\w-]+)"', answer + sections)) | {"checklist"}
    return _template("report.html.j2").render(
        context,
        style=Markup(_read_template("report.css")),  # noqa: S704 - our own file
        answer=answer,
        sections=sections,
        contents={anchor: title for anchor, title in _CONTENTS.items() if anchor in anchors},
        places=_PLACES,
        checklist=answer_items(anchors, analysis.answers),
    )


def render_page(template: str, context: Mapping[str, Any]) -> str:
    """A page other than the report of one evaluation, in the same style and with the same filters.

    Args:
        template: Its file among the templates.
        context: What the template asks for; a name that is missing raises.
    """
    from markupsafe import Markup

    style = Markup(_read_template("report.css"))  # noqa: S704 - our own file
    return _template(template).render({"version": __version__, "style": style, **context})


# --- the first screen


@dataclass(frozen=True)
class Icon:
    """One patient of the hundred, at ``x`` and ``y`` with a ``radius`` in units of the drawing."""

    x: float
    y: float
    radius: float
    fill: str
    stroke: str


@dataclass(frozen=True)
class IconGroup:
    """One of the four kinds of patients, with its key."""

    count: int
    colour: str
    hollow: bool
    meaning: str


@dataclass(frozen=True)
class Hundred:
    """One hundred patients as circles, ten by ten."""

    groups: tuple[IconGroup, ...]

    @property
    def icons(self) -> list[Icon]:
        """The circles, row by row; called wrongly is hollow, so that grey print still tells."""
        patients = [group for group in self.groups for _ in range(group.count)]
        return [
            Icon(
                x=10.5 + 21.0 * (place % 10),
                y=10.5 + 21.0 * (place // 10),
                radius=6.6 if group.hollow else 7.8,
                fill="none" if group.hollow else group.colour,
                stroke=group.colour if group.hollow else "none",
            )
            for place, group in enumerate(patients)
        ]


def _hundred(head: HeadResult) -> Hundred | None:
    if head.consequences is None or head.consequences.spared.value is None:
        return None
    rightly, missed, needless, operated = head.consequences.icons
    return Hundred(
        (
            IconGroup(rightly, BLUE, False, "called response, rightly"),
            IconGroup(missed, VERMILLION, True, "called response, residual tumour missed"),
            IconGroup(needless, BLUE, True, "called residual, although nothing was left"),
            IconGroup(operated, GREY, False, "called residual, rightly"),
        )
    )


# --- cases


@dataclass(frozen=True)
class PagePicture:
    """A picture embedded in the page."""

    title: str
    caption: str
    source: str


@dataclass(frozen=True)
class PageCase:
    """A failure case as the page shows it; ``prob`` and ``threshold`` are probabilities."""

    patient_id: str
    outcome: str
    prob: float
    threshold: float
    consequence: str
    pictures: tuple[PagePicture, ...]


def _cases(analysis: Analysis) -> list[PageCase]:
    return [
        PageCase(
            patient_id=case.patient_id,
            outcome="complete response" if case.responder else "residual tumour",
            prob=case.prob,
            threshold=case.threshold,
            consequence=_consequence(case),
            pictures=tuple(
                _embed(picture)
                for picture in analysis.sources.pictures
                if picture.patient_id == case.patient_id
            ),
        )
        for case in analysis.failures
    ]


def _consequence(case: FailureCase) -> str:
    return "needless operation" if case.responder else "residual tumour missed"


def _other_pictures(analysis: Analysis) -> list[PagePicture]:
    failed = {case.patient_id for case in analysis.failures}
    return [_embed(p) for p in analysis.sources.pictures if p.patient_id not in failed]


def _embed(picture: Picture) -> PagePicture:
    data = base64.b64encode(picture.png).decode()
    return PagePicture(picture.title, picture.caption, f"data:image/png;base64,{data}")


# --- provenance and rendering


def _provenance(analysis: Analysis) -> list[tuple[str, str]]:
    """What made the numbers: the run's environment, then the settings of this evaluation."""
    rows = [("evaluated with pcrnet", __version__)]
    rows += list(_flattened(analysis.sources.environment))
    rows += [("the table was read", remark) for remark in analysis.sources.remarks]
    rows.append(("bootstrap draws", str(analysis.config.bootstrap_draws)))
    rows.append(("bootstrap seed", str(analysis.config.seed)))
    if analysis.sources.experiment is not None:
        rows.append(("run seed", str(analysis.sources.experiment.run.seed)))
    return rows


def _flattened(values: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flattened(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", str(value)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    # Undefined names raise, so a template cannot lose a number silently.
    environment = Environment(
        loader=FunctionLoader(_read_template), autoescape=True, undefined=StrictUndefined
    )
    environment.filters["fixed"] = _fixed
    environment.filters["percent"] = lambda share: f"{100 * share:.0f} %"
    environment.filters["readable"] = readable
    environment.filters["figures"] = _figures
    environment.filters["outcome"] = lambda head: HEAD_LABELS[head]
    environment.filters["p_value"] = p_value
    environment.filters["p_short"] = p_short
    return environment


def _template(name: str) -> Template:
    return _environment().get_template(name)


def _read_template(name: str) -> str:
    return (resources.files(__package__) / "templates" / name).read_text(encoding="utf-8")


def _fixed(value: float, digits: int = 2) -> str:
    """A number with a true minus and no negative zero."""
    text = f"{value:.{digits}f}"
    if float(text) == 0.0:
        text = text.lstrip("-")
    return text.replace("-", "−")


def _figures(value: float | None) -> str:
    """Three significant figures with a true minus; a dash for what is not there."""
    return "–" if value is None else f"{value:.3g}".replace("-", "−")
