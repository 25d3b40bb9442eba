"""A change-control plan to fill in: what is fixed, what may change, and how a change is judged.

The form follows the three parts that regulators ask of a predetermined change control plan:
description of modifications, modification protocol and impact assessment (FDA, Health Canada and
MHRA, Predetermined change control plans for machine learning-enabled medical devices: guiding
principles, October 2023).
"""

from __future__ import annotations

from pcrnet.deploy.manifest import Manifest


def change_control_plan(manifest: Manifest, bundle_sha256: str) -> str:
    """The plan as Markdown, with everything filled in that the configuration knows.

    Args:
        manifest: What the bundle says of itself.
        bundle_sha256: Its digest.
    """
    imaging, data = manifest.imaging, manifest.data
    grid = " × ".join(str(n) for n in imaging.size)
    spacing = " × ".join(f"{mm:g}" for mm in imaging.spacing_mm)
    thresholds = "\n".join(
        f"| {head} | {'none locked' if point is None else format(point, '.4f')} |"
        for head, point in manifest.operating_points.items()
    )
    channels = "\n".join(
        f"| {channel} | {branch} | {manifest.units[channel]} |"
        for branch, names in data.branches.items()
        for channel in names
    )
    return f"""# Change-control plan: {manifest.name}

A template. What stands in ⟨brackets⟩ is for the hospital to fill in; the rest was taken from the
bundle. It is no regulatory advice.

## 1. What is under control

| | |
| --- | --- |
| bundle, SHA-256 | `{bundle_sha256}` |
| written by | pcrnet {manifest.pcrnet_version} |
| kind of model | {manifest.model.kind} |
| calibrator | {manifest.calibrator.get("kind", "none")} |
| complete response of the breast | {manifest.outcome.definition} |
| timepoints | {", ".join(data.timepoints)} |
| covariates | {", ".join(manifest.covariates) or "none"} |
| fewest scans of a patient | {data.minimum_scans} |
| grid | {grid} voxels of {spacing} mm |
| trained on | {"a simulated trial: never for patients" if manifest.simulated else "⟨cohort⟩"} |
| intended use | ⟨who decides what with it, and what happens without it⟩ |
| person responsible | ⟨name⟩ |

| channel | branch | unit |
| --- | --- | --- |
{channels}

| head | locked threshold |
| --- | --- |
{thresholds}

## 2. Changes that are foreseen

| Change | What it alters | Who may make it |
| --- | --- | --- |
| other versions of onnxruntime or torch, another machine | nothing: golden answers hold | ⟨⟩ |
| another threshold | calls, not probabilities | ⟨⟩ |
| recalibration on ⟨n⟩ local patients | probabilities, not their order | ⟨⟩ |
| training again with more patients, same settings | everything; a new digest | ⟨⟩ |

Not foreseen, and a new model with a validation of its own: other timepoints, channels, tracers,
covariates, outcome definition ({manifest.outcome.definition}), grid or kind of model.

## 3. How each change is made and judged

1. The change is made on a copy. The digest of the new bundle or export is written into this plan
   before any patient is predicted with it.
2. `pcrnet predict` on the golden cases, or `example.py` of the export, gives the golden answers.
3. The new model predicts ⟨n⟩ patients of this hospital who took part in no training (`pcrnet
   evaluate --bundle`, which refuses those who did). Protocol and limits are fixed beforehand:

| Quantity | Limit |
| --- | --- |
| AUC of each head, lower end of the 95 % interval | ⟨⟩ |
| calibration slope | ⟨from⟩ to ⟨to⟩ |
| sensitivity and specificity at the locked threshold | ⟨⟩ |
| patients refused | ⟨⟩ |
| any of these by scanner, site, age | ⟨⟩ |

4. Old and new predict the same patients side by side for ⟨weeks⟩; every call that differs is read
   by ⟨two readers⟩.
5. ⟨Board⟩ signs, and the old bundle is kept so that it can be put back within ⟨hours⟩.

## 4. What could go wrong

| Risk | How it would be seen | What is done |
| --- | --- | --- |
| a scanner, sequence or tracer changes | inputs drift; refused scans | ⟨stop; validate⟩ |
| fewer or more responders than in training | mean probability and outcomes part | ⟨recalibrate⟩ |
| residual tumour called complete response | outcomes after surgery | ⟨stop; report⟩ |
| a file is altered or exchanged | digest differs, the bundle is refused | ⟨restore⟩ |

## 5. Record

| Date | Change | Digest before | Digest after | Judged by | Result |
| --- | --- | --- | --- | --- | --- |
| ⟨⟩ | first installation | none | `{bundle_sha256[:16]}…` | ⟨⟩ | ⟨⟩ |
"""
