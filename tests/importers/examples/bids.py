"""One subject of a BIDS data set: a PET in Bq/mL with its sidecar, and two T2 that compete."""

import json

_SIDECAR = {
    "TracerName": "FDG", "TracerRadionuclide": "F18", "Units": "Bq/mL",
    "InjectedRadioactivity": 350, "InjectedRadioactivityUnits": "MBq", "InjectionStart": 0,
    "ImageDecayCorrected": True, "ImageDecayCorrectionTime": 3600, "BodyWeight": 70,
}  # fmt: skip


def write(folder, make):
    session = folder / "sub-01" / "ses-baseline"
    make.image(session / "pet" / "sub-01_ses-baseline_pet.nii.gz", 5000.0)
    sidecar = session / "pet" / "sub-01_ses-baseline_pet.json"
    sidecar.write_text(json.dumps(_SIDECAR))
    make.image(session / "anat" / "sub-01_ses-baseline_acq-fat_T2w.nii.gz")
    make.image(session / "anat" / "sub-01_ses-baseline_acq-water_T2w.nii.gz")
    return folder
