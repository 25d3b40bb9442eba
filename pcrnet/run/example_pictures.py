"""Which patients a report shows: a clear right call of either kind, and the worst wrong ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np

from pcrnet.evaluation.one_outcome import failure_cases
from pcrnet.evaluation.tables.predictions import Predictions
from pcrnet.imaging.tensors.preprocess import preprocess_patient
from pcrnet.imaging.units import suv_unit
from pcrnet.review.display import for_display
from pcrnet.review.patient_picture import patient_picture
from pcrnet.run_layout import RunLayout
from pcrnet.storage import write_bytes, write_json
from pcrnet.training.fit import FitJob

_HEAD: Final = "yT0yN0"


def write_example_pictures(
    run: RunLayout, job: FitJob, predictions: Predictions, *, simulated: bool
) -> None:
    """Draw some patients and list what the pictures show.

    Args:
        run: The run, whose folder of pictures they go to.
        job: Patients and their tensors.
        predictions: Out-of-fold predictions.
        simulated: Whether the pictures must say so.
    """
    data, imaging = job.experiment.data, for_display(job.experiment.imaging)
    patients = {patient.patient_id: patient for patient in job.patients}
    listed: list[dict[str, str]] = []
    for kind, row in choose_examples(predictions):
        name = predictions.patient_id[row]
        label, prob = predictions.label[_HEAD][row], predictions.prob[_HEAD][row]
        picture = patient_picture(
            preprocess_patient(patients[name], data, imaging, measured=False),
            data.channels,
            data.timepoints,
            spacing_mm=imaging.spacing_mm,
            kinds={channel: imaging.channel_kind(channel) for channel in data.channels},
            title=name,
            simulated=simulated,
            suv_unit=suv_unit(imaging.dicom),
        )
        file = f"{len(listed) + 1}.png"
        write_bytes(run.pictures / file, picture)
        outcome = "complete response" if label == 1 else "residual disease"
        listed.append(
            {
                "file": file,
                "patient_id": name,
                "title": kind,
                "caption": f"Pathology: {outcome}. Predicted P({_HEAD}) = {prob:.2f} by models "
                "that had not seen the patient.",
            }
        )
    write_json(run.picture_list, listed)


def choose_examples(predictions: Predictions) -> Iterator[tuple[str, int]]:
    """Kind and row of the clearest right call of either class, and of the report's failure cases.

    Right and wrong are judged at the locked threshold, or at 0.5 where none was locked.
    """
    prob, label = predictions.prob[_HEAD], predictions.label[_HEAD]
    locked = predictions.threshold.get(_HEAD, np.full(len(prob), np.nan))
    threshold = np.where(np.isfinite(locked), locked, 0.5)
    beyond = prob - threshold
    for kind, chosen in (
        ("Response, predicted", (label == 1) & (beyond > 0)),
        ("Residual disease, predicted", (label == 0) & (beyond <= 0)),
    ):
        rows = np.flatnonzero(chosen)
        if len(rows):
            yield kind, int(rows[np.argmax(np.abs(beyond[rows]))])
    for case in failure_cases(replace(predictions, threshold={_HEAD: threshold}), _HEAD):
        kind = "Response not recognised" if case.responder else "Residual disease missed"
        yield kind, predictions.patient_id.index(case.patient_id)
