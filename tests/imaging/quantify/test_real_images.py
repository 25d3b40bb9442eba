"""Real scans go through the engine, and agree with what others measured on them."""

import numpy as np
import pytest

from pcrnet.cohort.table import read_cohort
from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ImagingConfig
from pcrnet.imaging.dicom_reader import read_dicom_series
from pcrnet.imaging.grid import Grid, resample
from pcrnet.imaging.patient_scans import PatientScans, read_patient
from pcrnet.imaging.quantify.lesion import measure_pet
from pcrnet.imaging.quantify.measure import measure_scans, survey_scans
from pcrnet.imaging.volume import Volume
from pcrnet.importers.analysis_mask import read_segmentation

_STS = DataConfig(timepoints=("baseline",), branches={"pet": ("pet",), "mri": ("t1",)})
_IMAGING = ImagingConfig()


def test_all_14_sarcomas_are_measured_and_their_uptake_is_that_of_the_scan_as_acquired(test_data):
    table = test_data / "sts_petmr_cohort" / "cohort.csv"
    cohort = read_cohort(table, timepoints=_STS.timepoints, channels=_STS.channels)
    assert len(cohort.patients) == 14
    for patient in cohort.patients:
        scans = read_patient(patient, _STS, _IMAGING)
        found = measure_scans(scans, patient, _STS, _IMAGING)
        missing = {name for name, value in found.values.items() if np.isnan(value)}
        assert missing == {"baseline.days"}, patient.patient_id
        pet, mask = scans.volumes["baseline"]["pet"], scans.masks["baseline"]
        i, j, k = pet.array.shape
        label, _ = resample(mask, Grid(pet.affine, (i, j, k)))
        native = measure_pet(pet, label > 0)
        assert found.values["baseline.pet.suvmean_ln_suv"] == pytest.approx(
            np.log(native.suv_mean + 0.1), abs=0.06
        )
        # The bed reaches 4 mm beyond the mask, voxels of 5.5 mm blunt the native peak.
        ratio = found.values["baseline.pet.suvpeak_suv"] / native.suv_peak
        assert 0.93 < ratio < 1.25, patient.patient_id


def test_ucsfs_series_enhances_as_in_ucsfs_own_map(test_data):
    """Where UCSF's map is shown all around, on our grid: its mean, against our PE."""
    folder = test_data / "breast_dce_UCSF-BR-08"
    source = folder / "image_dce_3dfgre_orig.zip"
    phases = ("dce_pre", "dce_early", "dce_late")
    volumes = {c: read_dicom_series(source, "dce", channel=c).volume for c in phases}
    stored = read_segmentation(folder / "mask.zip")
    data = DataConfig(timepoints=("baseline",), branches={"mri": phases})
    mask = Volume((stored.array > 0).astype(np.float32), stored.affine, "label")
    scans = PatientScans({"baseline": volumes}, {"baseline": mask}, {}, np.zeros(3), "mask")
    survey = survey_scans(scans, data, _IMAGING)
    reference = read_dicom_series(folder / "image_dce_pe1.zip", "zscore").volume
    theirs, shown = (
        resample(
            Volume(array.astype(np.float32), reference.affine, "arbitrary"), survey.place.grid
        )[0]
        for array in (reference.array, reference.array > 0)
    )
    inside = survey.place.bed & (shown > 0.999)
    assert inside.sum() > 500
    ours = 100.0 * survey.visits["baseline"].excess["dce"].values
    assert np.corrcoef(ours[inside], theirs[inside])[0, 1] > 0.97
    assert np.median(ours[inside] / theirs[inside]) == pytest.approx(1.0, abs=0.03)
