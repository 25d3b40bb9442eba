"""Real scans go through the engine, and agree with what others measured on them."""

import zipfile

import nibabel
import numpy as np
import pytest
from scipy.ndimage import map_coordinates

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


def test_two_visits_of_a_real_tumour_patient_are_registered_and_adc_is_that_of_the_maps(
    test_data, tmp_path
):
    """Liver, 126 days apart, on a table of another height: a ball of 20 mm, 40 mm beside the
    middle, stands for the tumour.

    Its ADC is the mean of the maps as they came, at the first visit inside the bed, at the second
    where the registration takes it.
    """
    folder = test_data / "cmb_crc_two_timepoints"
    maps = {
        visit: read_dicom_series(folder / f"SCAN_{name}_adc_image.zip", "adc").volume
        for visit, name in (("baseline", "002"), ("interim", "001"))
    }
    first = maps["baseline"]
    beside = np.array([40.0, 0.0, 0.0]) @ np.linalg.inv(first.affine[:3, :3]).T
    centre = np.array(first.array.shape) / 2.0 + beside
    grid = np.stack(np.indices(first.array.shape), axis=-1)
    ball = np.linalg.norm((grid - centre) * first.spacing_mm, axis=-1) <= 20.0
    mask = tmp_path / "mask.nii.gz"
    nibabel.save(nibabel.Nifti1Image(ball.astype(np.uint8), first.affine), mask)
    table = tmp_path / "cohort.csv"
    cells = ("002_adc", "002_t2", "001_adc", "001_t2")
    for cell in cells:
        with zipfile.ZipFile(folder / f"SCAN_{cell}_image.zip") as files:
            files.extractall(tmp_path / cell)
    table.write_text(
        "patient_id,baseline.adc,baseline.t2,interim.adc,interim.t2,baseline.mask,yT0,yN0\n"
        + ",".join(["A", *cells, mask.name, "0", "0"])
        + "\n"
    )
    data = DataConfig(timepoints=("baseline", "interim"), branches={"mri": ("adc", "t2")})
    (patient,) = read_cohort(table, timepoints=data.timepoints, channels=data.channels).patients
    scans = read_patient(patient, data, _IMAGING)
    found = measure_scans(scans, patient, data, _IMAGING)
    registration = found.flags.registrations["interim"]
    assert registration.accepted
    assert registration.similarity_after > 0.5 > registration.similarity_before
    assert not {name for name, value in found.values.items() if np.isnan(value)} - {
        "baseline.days",
        "interim.days",
    }
    points = nibabel.affines.apply_affine(first.affine, np.argwhere(ball))
    for visit, volume in maps.items():
        there = nibabel.affines.apply_affine(scans.transform(visit), points)
        index = nibabel.affines.apply_affine(np.linalg.inv(volume.affine), there)
        independent = map_coordinates(volume.array, index.T, order=1)
        values = found.values
        assert values[f"{visit}.adc.p50_1e3_mm2_s"] == pytest.approx(
            np.median(independent), abs=0.1
        ), visit
        assert 0.5 < values[f"{visit}.adc.mean_1e3_mm2_s"] < 3.0
