"""Writing a bundle: everything together, with golden cases and digests, or nothing at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pcrnet import __version__
from pcrnet.applicability.scrutiny import Applicability
from pcrnet.cohort.outcome import HEADS, Head
from pcrnet.config.experiment import Experiment
from pcrnet.config.model import without_weights
from pcrnet.decision.calibrators import Calibrator, calibrator_from_dict
from pcrnet.deploy.bundle import Bundle
from pcrnet.deploy.folders import folder_draft, replace_folder
from pcrnet.deploy.golden import write_golden_cohort
from pcrnet.deploy.manifest import (
    APPLICABILITY_FOLDER,
    CHECKSUMS_FILE,
    EXPECTED_FILE,
    GOLDEN_FOLDER,
    INPUTS_FILE,
    MANIFEST_FILE,
    MODEL_FOLDER,
    Manifest,
)
from pcrnet.deploy.model_card import model_card
from pcrnet.deploy.prediction.predictor import Predictor
from pcrnet.imaging.units import channel_unit
from pcrnet.models.contract import FittedModel
from pcrnet.storage import sha256_file, write_json, write_text


def describe_bundle(
    experiment: Experiment,
    *,
    covariates: Sequence[str],
    about: Mapping[str, Any],
    calibrator: Calibrator,
    operating_points: Mapping[Head, float | None],
    splits_sha256: str,
    simulated: bool,
    trained_on: Sequence[str] = (),
    case_mix: Mapping[str, Any] | None = None,
) -> Manifest:
    """The manifest of a trained model; paths of the training cohort stay behind."""
    imaging = experiment.imaging
    data = experiment.data.model_copy(update={"cohort": None, "cache": None})
    return Manifest(
        pcrnet_version=__version__,
        name=experiment.run.name,
        simulated=simulated,
        outcome=experiment.outcome,
        data=data,
        covariates=tuple(covariates),
        imaging=experiment.imaging,
        model=without_weights(experiment.model),
        about=dict(about),
        calibrator=calibrator.to_dict(),
        operating_points={head: operating_points[head] for head in HEADS},
        splits_sha256=splits_sha256,
        units={
            name: channel_unit(imaging.channel_kind(name), imaging.dicom) for name in data.channels
        },
        trained_on=tuple(trained_on),
        case_mix=dict(case_mix or {}),
    )


def write_bundle(
    directory: Path,
    manifest: Manifest,
    model: FittedModel,
    applicability: Applicability | None = None,
) -> None:
    """Write a bundle with its golden cases; the folder appears when it is whole.

    Args:
        directory: Where it goes.
        manifest: What it is.
        model: The one that ships.
        applicability: What its training patients were like; without it a bundle doubts nothing.
    """
    with folder_draft(directory) as draft:
        write_json(draft / MANIFEST_FILE, manifest.model_dump(mode="json"))
        model.write(draft / MODEL_FOLDER)
        write_text(draft / "model_card.md", model_card(manifest))
        if applicability is not None:
            applicability.write(draft / APPLICABILITY_FOLDER)
        _write_golden_cases(draft / GOLDEN_FOLDER, manifest, model)
        write_json(
            draft / CHECKSUMS_FILE,
            {
                path.relative_to(draft).as_posix(): sha256_file(path)
                for path in sorted(draft.rglob("*"))
                if path.is_file()
            },
        )
        replace_folder(draft, directory)


def _write_golden_cases(golden: Path, manifest: Manifest, model: FittedModel) -> None:
    """Cases, what the model is shown of them, and its answers."""
    cohort = write_golden_cohort(golden, manifest.data, manifest.imaging, model)
    predictor = Predictor(Bundle(manifest, model, calibrator_from_dict(manifest.calibrator)))
    predictor.predict_table(cohort).write(golden / EXPECTED_FILE)
    write_json(golden / INPUTS_FILE, predictor.inputs(cohort))
