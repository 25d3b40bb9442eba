"""The model card: what a bundle is for, what it needs, and what it does not claim."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pcrnet.data.clinical import FEWEST_OF_A_CATEGORY
from pcrnet.deploy.manifest import Manifest
from pcrnet.models.kinds import KINDS


def model_card(manifest: Manifest) -> str:
    """The card as Markdown."""
    grid = " × ".join(str(n) for n in manifest.imaging.size)
    spacing = " × ".join(f"{mm:g}" for mm in manifest.imaging.spacing_mm)
    channels = "\n".join(
        f"| {branch} | {channel} | {manifest.units[channel]} |"
        for branch, names in manifest.data.branches.items()
        for channel in names
    )
    points = "\n".join(
        f"| {head} | {'none' if point is None else format(point, '.4f')} |"
        for head, point in manifest.operating_points.items()
    )
    origin = (
        "> **Simulated.** This model was trained on an in-silico trial. It knows nothing of "
        "patients and must not be used on them.\n\n"
        if manifest.simulated
        else ""
    )
    facts = "\n".join(f"| {name} | {value} |" for name, value in _flat(manifest.about))
    covariates = ", ".join(manifest.covariates) or "none"
    return f"""# Model card: {manifest.name}

{origin}Predicts the probability of pathological complete response to neoadjuvant therapy: yT0
(breast, defined as {manifest.outcome.definition}), yN0 (nodes) and both. Written by pcrnet \
{manifest.pcrnet_version}.

## Input

Timepoints in order: {", ".join(manifest.data.timepoints)}. Covariates: {covariates}.
Any scan may be missing; fewer than {manifest.data.minimum_scans} is refused. Each patient is
brought to one grid of {grid} voxels of {spacing} mm.

| branch | channel | unit |
| --- | --- | --- |
{channels}

## Output

Calibrated probabilities that agree with each other: P(yT0yN0) never exceeds P(yT0) or P(yN0).
The positive class is {manifest.positive_class}.

| head | threshold |
| --- | --- |
{points}

## How it was made

{KINDS[manifest.model.kind].made} It learned from every patient of the cohort; its logits are \
calibrated
({manifest.calibrator.get("kind", "none")}) on those that models of the same kind, each fitted
without one fold, gave to the patients they had not seen. Splits: `{manifest.splits_sha256[:16]}`.

| | |
| --- | --- |
{facts}

## Limits

Not a medical device. The performance to expect is in the report of the run that made this bundle;
it holds for patients and scanners like those of its cohort, and external validation is owed before
any use. Probabilities move with the prevalence of response.

## Privacy and integrity

Of the training patients' covariates the bundle holds means, deviations, 2 % and 98 % quantiles, and
the texts of categories that at least {FEWEST_OF_A_CATEGORY} of them share; a rarer one counts as
unknown. Of their scans it
holds marks that tell whether a file is the same, and of facts and quantities centres, spreads and
quantiles over the cohort (`applicability/`), by which `pcrnet predict` tells patients who are
unlike those of training. The sums in `checksums.json` protect against
accidents; the digest of that file, written down elsewhere, against alterations
(`pcrnet predict --bundle-sha256`).
"""


def _flat(facts: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in facts.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}, ")
        else:
            yield f"{prefix}{name}", str(value)
