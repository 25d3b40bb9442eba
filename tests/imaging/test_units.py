"""Units have one home, and two scales do not mix."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from pcrnet.config.imaging import ChannelKind, DicomConfig, ImagingConfig
from pcrnet.errors import UnitError
from pcrnet.imaging.convert import convert_series
from pcrnet.imaging.intensity import visit_scalings
from pcrnet.imaging.nifti.file import write_nifti
from pcrnet.imaging.reader import read_scan
from pcrnet.imaging.units import channel_unit, registration_rank, share_of_suvbw, suv_unit
from pcrnet.imaging.volume import Unit, Volume

NORMS = {"bw": "SUVbw", "lbm-james": "SUL", "lbm-janmahasatian": "SUL", "bsa": "SUVbsa"}


@pytest.fixture
def nifti(tmp_path: Path) -> Path:
    values = np.random.default_rng(0).uniform(0.5, 6.0, (6, 6, 6)).astype(np.float32)
    write_nifti(Volume(values, np.diag([4.0, 4.0, 4.0, 1.0]), "SUVbw"), tmp_path / "pet.nii.gz")
    return tmp_path / "pet.nii.gz"


def test_every_kind_norm_and_unit_is_known() -> None:
    assert {norm: suv_unit(DicomConfig(suv=norm)) for norm in NORMS} == NORMS
    units = {kind: channel_unit(kind, DicomConfig(suv="bsa")) for kind in get_args(ChannelKind)}
    assert (units["suv"], units["adc"], units["ratio"]) == ("SUVbsa", "1e-3 mm2/s", "arbitrary")
    assert len({registration_rank(unit) for unit in get_args(Unit)}) == 4
    for unit in set(NORMS.values()):
        assert 0 < share_of_suvbw(unit) <= 1


@pytest.mark.parametrize("norm", ["lbm-james", "lbm-janmahasatian", "bsa"])
def test_a_nifti_in_suvbw_does_not_mix_with_another_norm(nifti: Path, norm: str) -> None:
    assert read_scan(nifti, "pet").volume.unit == "SUVbw"
    with pytest.raises(UnitError, match="do not mix"):
        read_scan(nifti, "pet", settings=DicomConfig(suv=norm))


def test_a_converted_series_says_its_norm(
    make_slice: object, save_series: object, tmp_path: Path
) -> None:
    folder = save_series(  # type: ignore[operator]
        [make_slice(k, "PT", RescaleSlope=100.0) for k in range(3)]  # type: ignore[operator]
    )
    lean = ImagingConfig(dicom=DicomConfig(suv="lbm-james"))
    out = tmp_path / "lean.nii.gz"
    convert_series(folder, out, "pet", lean)
    assert read_scan(out, "pet", settings=lean.dicom).volume.unit == "SUL"
    with pytest.raises(UnitError, match="is in SUL, and the channel is in SUVbw"):
        read_scan(out, "pet")


def test_a_sidecar_of_another_program_states_no_unit(nifti: Path) -> None:
    for text in ('{"Units": "BQML", "unit": 7}', "[1]", "{", '{"unit": "Bq/mL"}'):
        nifti.with_name("pet.json").write_text(text)
        assert read_scan(nifti, "pet").volume.unit == "SUVbw"


def test_a_signal_enhancement_ratio_keeps_its_scale() -> None:
    imaging = ImagingConfig()
    values = np.random.default_rng(0).uniform(0.5, 2.0, (6, 6, 6)).astype(np.float32)
    volume = Volume(values, np.eye(4), "arbitrary")
    scaling = visit_scalings({"ser": volume}, {"ser": imaging.channel_kind("ser")})["ser"]
    assert np.array_equal(scaling.apply(values, np.ones_like(values, dtype=bool)), values)
