"""One patient of MAMA-MIA: four phases, an automatic segmentation and the table."""


def write(folder, make):
    for phase in range(4):
        make.image(folder / "images" / "DUKE_001" / f"duke_001_{phase:04d}.nii.gz")
    make.image(folder / "segmentations" / "automatic" / "duke_001.nii.gz")
    (folder / "clinical_and_imaging_info.csv").write_text(
        'patient_id,dataset,pcr,age,acquisition_times\nDUKE_001,DUKE,1,50,"[0, 100, 200, 400]"\n'
    )
    return folder
