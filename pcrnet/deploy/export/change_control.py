"""A change-control plan to fill in: what is fixed, what may change, and how a change is judged.

The form follows the three parts that regulators ask of a predetermined change control plan:
description of modifications, modification protocol and impact assessment (FDA, Health Canada and
MHRA, Predetermined change control plans for machine learning-enabled medical devices: guiding
principles, October 2023).
"""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, StrictUndefined

from pcrnet.deploy.manifest import Manifest


def change_control_plan(manifest: Manifest, bundle_sha256: str) -> str:
    """The plan as Markdown, with everything filled in that the configuration knows.

    Args:
        manifest: What the bundle says of itself.
        bundle_sha256: Its digest.
    """
    source = (Path(__file__).parent / "templates" / "change_control.md.j2").read_text("utf-8")
    plain = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)  # noqa: S701 - Markdown
    return plain.from_string(source).render(
        manifest=manifest,
        data=manifest.data,
        imaging=manifest.imaging,
        spacing=" × ".join(f"{mm:g}" for mm in manifest.imaging.spacing_mm),
        bundle_sha256=bundle_sha256,
    )
