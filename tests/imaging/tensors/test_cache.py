"""Preprocessed tensors on disk."""

import dataclasses
import os
import pickle

import numpy as np
import pytest

from pcrnet.cohort.outcome import Outcome
from pcrnet.cohort.table import Patient, Visit
from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ImagingConfig
from pcrnet.errors import (
    InsufficientScansError,
    OutputError,
    ProblemListError,
    ProcessEndedError,
    RunError,
    UnitError,
)
from pcrnet.imaging import digests
from pcrnet.imaging.nifti.file import write_nifti
from pcrnet.imaging.tensors import cache as cache_module
from pcrnet.imaging.tensors.cache import TensorCache
from pcrnet.imaging.tensors.preprocess import preprocess_patient
from pcrnet.imaging.volume import Volume

_DATA = DataConfig()
_IMAGING = ImagingConfig(size=(12, 10, 8))


def _write(path, seed, factor=1.0):
    array = factor * np.random.default_rng(seed).uniform(0.2, 3.0, (14, 12, 10))
    write_nifti(Volume(array.astype(np.float32), np.diag([4.0, 4.0, 4.0, 1.0]), "arbitrary"), path)


@pytest.fixture
def patients(tmp_path):
    made = []
    for number in range(4):
        scans = {}
        for channel in ("pet", "adc"):
            scans[channel] = tmp_path / f"{number}{channel}.nii"
            _write(scans[channel], number)
        visits = {
            "baseline": Visit("baseline", scans, days=0.0),
            "interim": Visit("interim", {}),
        }
        made.append(Patient(f"P{number}", number + 2, None, visits, Outcome(), {}))
    return made


@pytest.fixture
def made(monkeypatch):
    """Patients that were really preprocessed in this process."""
    names = []

    def counted(patient, *settings):
        names.append(patient.patient_id)
        return preprocess_patient(patient, *settings)

    monkeypatch.setattr(cache_module, "preprocess_patient", counted)
    return names


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache"


def _cache(folder, data=_DATA, imaging=_IMAGING, **options):
    return TensorCache(folder, data, imaging, **options)


def _entries(folder):
    return sorted(folder.glob("*.safetensors"))


def _same(one, other):
    np.testing.assert_array_equal(one.image, other.image)
    np.testing.assert_array_equal(one.present, other.present)
    np.testing.assert_array_equal(one.days, other.days)
    np.testing.assert_array_equal(one.centre_mm, other.centre_mm)
    assert one.crop == other.crop


def test_what_comes_back_is_what_was_computed(folder, patients):
    expected = preprocess_patient(patients[0], _DATA, _IMAGING)
    cache = _cache(folder)
    for _ in range(2):
        found = cache.get(patients[0])
        _same(found, expected)
        assert found.image.dtype == np.float16
        assert found.days.dtype == np.float32


def test_a_tensor_is_computed_once(folder, patients, made):
    for _ in range(2):
        cache = _cache(folder)
        for _ in range(2):
            cache.get(patients[0])
    assert made == ["P0"]


def test_arrays_are_mapped_and_private(folder, patients):
    cache = _cache(folder)
    first = cache.get(patients[0])
    first.image[:] = 7.0
    assert cache.get(patients[0]).image.max() < 7.0
    _same(_cache(folder).get(patients[0]), preprocess_patient(patients[0], _DATA, _IMAGING))


@pytest.mark.parametrize(
    ("data", "imaging"),
    [
        ({"timepoints": ("baseline",)}, {}),
        ({"branches": {"pet": ("adc", "pet")}}, {}),
        ({}, {"size": (12, 10, 9)}),
        ({}, {"spacing_mm": (4.0, 4.0, 4.1)}),
        ({}, {"channels": {"adc": "zscore"}}),
    ],
)
def test_every_setting_that_matters_has_its_own_entry(folder, patients, made, data, imaging):
    _cache(folder).get(patients[0])
    other = _cache(folder, _DATA.model_copy(update=data), _IMAGING.model_copy(update=imaging))
    other.get(patients[0])
    assert made == ["P0", "P0"]


def test_settings_that_do_not_matter_share_the_entry(folder, patients, made):
    _cache(folder).get(patients[0])
    _cache(folder, _DATA.model_copy(update={"workers": 3, "minimum_scans": 2})).get(patients[0])
    assert made == ["P0"]


def test_days_mask_source_and_code_belong_to_the_key(folder, patients, made, monkeypatch, tmp_path):
    patient = patients[0]
    cache = _cache(folder)
    cache.get(patient)
    visit = patient.visits["baseline"]
    later = dataclasses.replace(visit, days=1.0)
    cache.get(dataclasses.replace(patient, visits=patient.visits | {"baseline": later}))
    mask = np.zeros((14, 12, 10), np.float32)
    mask[6, 6, 5] = 1
    write_nifti(Volume(mask, np.diag([4.0, 4.0, 4.0, 1.0]), "label"), tmp_path / "mask.nii")
    masked = dataclasses.replace(visit, mask=tmp_path / "mask.nii")
    cache.get(dataclasses.replace(patient, visits=patient.visits | {"baseline": masked}))
    _write(visit.scans["pet"], seed=99)
    _cache(folder).get(patient)
    monkeypatch.setattr(cache_module, "code_digest", lambda: "another version")
    _cache(folder).get(patient)
    assert len(made) == 5


def test_a_changed_name_or_place_of_the_files_changes_nothing(folder, patients, made, tmp_path):
    _cache(folder).get(patients[0])
    visit = patients[0].visits["baseline"]
    moved = {c: path.rename(tmp_path / f"moved_{c}.nii") for c, path in visit.scans.items()}
    visits = patients[0].visits | {"baseline": dataclasses.replace(visit, scans=moved)}
    _cache(folder).get(dataclasses.replace(patients[0], visits=visits, patient_id="Q"))
    assert made == ["P0"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-1],
        lambda content: content[:40],
        lambda content: b"",
        lambda content: bytes(len(content)),
        lambda content: content[:-400] + bytes([content[-400] ^ 1]) + content[-399:],
        lambda content: content.replace(b"lesion", b"body  "),
        lambda content: content.replace(b"[2,6,12,10,8]", b"[2,6,10,12,8]"),
        lambda content: content.replace(b'"F16"', b'"F99"'),
        lambda content: (1 << 62).to_bytes(8, "little") + content[8:],
        lambda content: (100_000).to_bytes(8, "little") + b"[" * 100_000 + content,
    ],
)
def test_a_damaged_entry_is_made_anew_and_never_used(folder, patients, made, damage):
    expected = preprocess_patient(patients[0], _DATA, _IMAGING)
    _cache(folder).get(patients[0])
    (entry,) = _entries(folder)
    before = entry.read_bytes()
    entry.write_bytes(damage(before))
    assert entry.read_bytes() != before
    said = []
    _same(_cache(folder, notify=said.append).get(patients[0]), expected)
    assert len(said) == 1
    assert "P0" in said[0]
    assert entry.read_bytes() == before


def test_damage_is_a_warning_unless_someone_listens(folder, patients):
    _cache(folder).get(patients[0])
    _entries(folder)[0].write_bytes(b"")
    with pytest.warns(RuntimeWarning, match="damaged"):
        _cache(folder).get(patients[0])


def test_no_partial_file_is_left_and_no_path_is_stored(folder, patients):
    _cache(folder).build(patients)
    assert {path.suffix for path in folder.iterdir()} <= {".safetensors", ".json"}
    for path in folder.iterdir():
        assert b"pet.nii" not in path.read_bytes()


def test_building_tells_its_progress_and_does_nothing_twice(folder, patients, made):
    calls = []
    _cache(folder).get(patients[2])
    _cache(folder).build(patients, progress=lambda *call: calls.append(call))
    assert calls == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert made == ["P2", "P0", "P1", "P3"]
    _cache(folder).build(patients)
    assert len(made) == 4


def test_building_tells_whose_files_have_been_hashed_before_any_scan_is_read(
    folder, patients, made
):
    seen = []
    _cache(folder).build(patients, hashed=lambda *call: seen.append((call, len(made))))
    assert seen == [((done, 4), 0) for done in (1, 2, 3, 4)]


def test_who_stops_the_hashing_does_not_wait_for_all_files(folder, patients, monkeypatch):
    read = []
    monkeypatch.setattr(
        cache_module.DigestMemo, "digest", lambda self, path: read.append(path) or "0" * 64
    )

    def stop(done, total):
        raise KeyboardInterrupt

    many = [
        dataclasses.replace(patient, patient_id=f"{patient.patient_id}-{number}")
        for number in range(500)
        for patient in patients
    ]
    with pytest.raises(KeyboardInterrupt):
        _cache(folder).build(many, workers=1, hashed=stop)
    assert len(read) < 2 * len(many)


def test_sources_are_not_read_again_at_the_next_start(folder, patients, monkeypatch):
    monkeypatch.setattr(digests, "_SETTLED_NS", -(10**18))
    _cache(folder).build(patients)
    monkeypatch.setattr(digests, "sha256_file", lambda path: pytest.fail("read again"))
    _cache(folder).build(patients)


def test_problems_of_all_patients_are_listed_in_the_order_of_the_table(folder, patients):
    _write(patients[3].visits["baseline"].scans["pet"], 0, factor=5000.0)
    patients[1].visits["baseline"].scans["adc"].unlink()
    cache = _cache(folder)
    with pytest.raises(ProblemListError) as caught:
        cache.build(patients)
    found = [(p.patient, p.file, p.field) for p in caught.value.problems]
    assert found == [
        ("P1", "cohort.csv row 3", "baseline.adc"),
        ("P3", "cohort.csv row 5", "baseline.pet"),
    ]
    assert len(_entries(folder)) == 2


def test_too_few_scans_are_refused_even_if_the_tensor_is_there(folder, patients):
    _cache(folder).get(patients[0])
    strict = _cache(folder, _DATA.model_copy(update={"minimum_scans": 3}))
    with pytest.raises(InsufficientScansError):
        strict.get(patients[0])
    with pytest.raises(ProblemListError):
        strict.build(patients[:1])


def test_processes_make_the_same_files_and_report_their_problems(folder, patients, tmp_path):
    _cache(folder).build(patients[:3], workers=0)
    expected = {path.name: path.read_bytes() for path in _entries(folder)}
    _write(patients[3].visits["baseline"].scans["pet"], 0, factor=5000.0)
    other = tmp_path / "other"
    with pytest.raises(ProblemListError) as caught:
        _cache(other).build(patients, workers=2)
    assert [type(problem) for problem in caught.value.problems] == [UnitError]
    assert caught.value.problems[0].patient == "P3"
    assert {path.name: path.read_bytes() for path in _entries(other)} == expected


def test_a_loader_process_may_have_its_own_copy(folder, patients, made):
    cache = _cache(folder)
    cache.get(patients[0])
    copy = pickle.loads(pickle.dumps(cache))  # noqa: S301 - our own bytes
    _same(copy.get(patients[0]), cache.get(patients[0]))
    assert made == ["P0"]


def test_a_folder_that_cannot_be_written_is_named_by_its_key(tmp_path, patients):
    (tmp_path / "file").touch()
    with pytest.raises(RunError) as caught:
        _cache(tmp_path / "file" / "cache").get(patients[0])
    assert caught.value.field == "data.cache"


def _die(*_, **__):
    os._exit(9)


def test_a_process_that_is_killed_is_named_and_what_is_finished_kept(folder, patients, monkeypatch):
    monkeypatch.setattr(cache_module, "_try_make_entry", _die)
    with pytest.raises(ProcessEndedError, match="ended from outside"):
        _cache(folder).build(patients, workers=2)


def test_what_a_killed_process_left_half_written_goes_after_a_day(folder, patients):
    folder.mkdir(parents=True, exist_ok=True)
    old, new = (folder / f".0badcafe-1-{n}.partial.{'0' * 64}.safetensors" for n in (1, 2))
    for path in (old, new):
        path.touch()
    os.utime(old, (1e9, 1e9))
    _cache(folder).build(patients[:1], workers=0)
    assert not old.exists()
    assert new.exists()


def test_a_full_disk_ends_the_build(folder, patients, monkeypatch):
    def full(*_):
        raise OutputError("cannot be written: the disk is full")

    monkeypatch.setattr(cache_module, "write_bytes", full)
    with pytest.raises(RunError, match="images cannot be written: the disk is full"):
        _cache(folder).build(patients)


def test_a_pipe_in_a_cell_is_refused_at_once(folder, patients):
    path = patients[1].visits["baseline"].scans["adc"]
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ProblemListError) as caught:
        TensorCache(folder, _DATA, _IMAGING).build(patients, workers=1)
    (problem,) = caught.value.problems
    assert (problem.patient, problem.field) == ("P1", "baseline.adc")
    assert "neither a file nor a folder" in problem.problem


def test_what_another_cache_has_verified_is_not_verified_again(folder, patients, monkeypatch):
    asked = []
    real = cache_module.open_tensor

    def counted(entry, *, verify=True):
        asked.append(verify)
        return real(entry, verify=verify)

    monkeypatch.setattr(cache_module, "open_tensor", counted)
    first = _cache(folder)
    first.build(patients[:2], workers=1)
    os.utime(_entries(folder)[0], ns=(1, 1))  # the other one is too new to be sure of
    for _ in range(2):
        for patient in patients[:2]:
            first.get(patient)
    assert asked == [True, True, False, False]
    assert list(first.verified) == [_entries(folder)[0].name]
    asked.clear()
    second = _cache(folder, verified=first.verified)
    for patient in patients[:2]:
        second.get(patient)
    assert sorted(asked) == [False, True]


def test_a_file_that_is_not_the_same_any_more_is_verified_whoever_has_verified_it(
    folder, patients, made
):
    first = _cache(folder)
    first.build(patients[:1], workers=1)
    (entry,) = _entries(folder)
    os.utime(entry, ns=(1, 1))
    expected = preprocess_patient(patients[0], _DATA, _IMAGING)
    first.get(patients[0])
    assert first.verified
    content = bytearray(entry.read_bytes())
    content[-1] ^= 1
    entry.write_bytes(content)
    with pytest.warns(RuntimeWarning, match="damaged"):
        found = _cache(folder, verified=first.verified).get(patients[0])
    _same(found, expected)
    assert len(made) == 2
