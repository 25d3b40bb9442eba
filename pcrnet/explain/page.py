"""A page a patient: one self-contained HTML file, with its pictures and maps beside it."""

from __future__ import annotations

import base64
import math
from importlib import resources
from pathlib import Path
from typing import Any

from pcrnet import __version__
from pcrnet.applicability.certainty import LEVEL
from pcrnet.cohort.outcome import HEADS, Head
from pcrnet.deploy.bundle import Bundle
from pcrnet.explain.contributions import Contribution, counted, strongest
from pcrnet.explain.maps import native_maps
from pcrnet.explain.patient import Explanation
from pcrnet.explain.picture import maps_picture, subjects_picture
from pcrnet.imaging.nifti.file import write_nifti
from pcrnet.storage import write_bytes, write_text

MAPS_FOLDER = "maps"
_TERMS = 12


def write_explanation(explanation: Explanation, bundle: Bundle, out: Path) -> Path:
    """Write a patient's page, pictures and maps; returns the page.

    Args:
        explanation: As computed.
        bundle: For its name and digest.
        out: The patient's folder: ``index.html``, ``subjects.png``, ``maps.png`` and
            ``maps/<timepoint>_<channel>_<occlusion|gradients>.nii.gz``.

    Raises:
        OutputError: The folder cannot be written.
    """
    subjects = subjects_picture(explanation) if explanation.breakdown.contributions else None
    maps = maps_picture(explanation)
    for name, png in (("subjects", subjects), ("maps", maps)):
        if png is not None:
            write_bytes(out / f"{name}.png", png)
    for found in native_maps(explanation, bundle):
        write_nifti(found.volume, out / MAPS_FOLDER / f"{found.name}.nii.gz")
    page = out / "index.html"
    write_text(page, render(explanation, bundle, subjects, maps))
    return page


def render(
    explanation: Explanation, bundle: Bundle, subjects: bytes | None, maps: bytes | None
) -> str:
    """The page as HTML; nothing is loaded from anywhere."""
    from jinja2 import Environment, StrictUndefined

    source = resources.files("pcrnet.explain").joinpath("templates/patient.html.j2")
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    template = environment.from_string(source.read_text(encoding="utf-8"))
    return template.render(_context(explanation, bundle, subjects, maps))


def _context(
    explanation: Explanation, bundle: Bundle, subjects: bytes | None, maps: bytes | None
) -> dict[str, Any]:
    scrutiny, breakdown = explanation.scrutiny, explanation.breakdown
    needs = bundle.model.needs()
    base, logits = breakdown.base, breakdown.logits
    return {
        "version": __version__,
        "name": explanation.patient.patient_id,
        "model": bundle.manifest.name,
        "digest": bundle.sha256[:16],
        "simulated": bundle.manifest.simulated,
        "doubts": [] if scrutiny is None else [str(doubt) for doubt in scrutiny.likeness.doubts],
        "near": () if scrutiny is None else scrutiny.near,
        "interval": scrutiny is not None,
        "level": f"{LEVEL * 100:.0f} %",
        "predictions": [_prediction(explanation, head) for head in HEADS],
        "subjects": None if subjects is None else _embedded(subjects),
        "sums": f"yT0 {base[0]:+.2f} to {logits[0]:+.2f}, yN0 given residue {base[2]:+.2f} to "
        f"{logits[2]:+.2f}",
        "counted": counted(breakdown),
        "networks": explanation.gradients is not None,
        "silent": explanation.gradients is not None and not explanation.gradients.any(),
        "terms": [_term(one) for one in strongest(breakdown, _TERMS)],
        "maps": None if maps is None else _embedded(maps),
        "looked": needs.looks_at_scans,
        "head": explanation.head,
        "strongest": _strongest(explanation),
    }


def _prediction(explanation: Explanation, head: Head) -> dict[str, str]:
    prob, threshold = explanation.prob[head], explanation.thresholds.get(head)
    interval = ""
    if explanation.scrutiny is not None:
        found = explanation.scrutiny.intervals[head]
        interval = f"{found.low:.2f} to {found.high:.2f}"
    call = "" if threshold is None else ("response" if prob > threshold else "residue")
    return {
        "head": head,
        "prob": f"{prob:.3f}",
        "interval": interval,
        "threshold": "none" if threshold is None else f"{threshold:.3f}",
        "call": call,
    }


def _term(one: Contribution) -> dict[str, str]:
    return {
        "name": one.name,
        "subject": one.subject,
        "value": "" if math.isnan(one.value) else f"{one.value:.3g}",
        "deviation": "" if math.isnan(one.deviation) else f"{one.deviation:+.1f} SD",
        "breast": f"{round(one.breast, 3) + 0.0:+.3f}",
        "nodes": f"{round(one.nodes, 3) + 0.0:+.3f}",
    }


def _strongest(explanation: Explanation) -> str:
    ranked = sorted(explanation.occlusion, key=lambda one: -one.strongest)[:3]
    return ", ".join(f"{one.timepoint}.{one.channel}" for one in ranked) or "none"


def _embedded(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
