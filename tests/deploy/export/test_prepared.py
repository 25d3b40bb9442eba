"""Prepared patients are what the model is shown, and are made without torch."""

import csv
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from safetensors import safe_open

from pcrnet.deploy.bundle import Bundle
from pcrnet.deploy.export.decision.graph import DecisionGraph
from pcrnet.deploy.export.formats.torch_file import run_graph
from pcrnet.deploy.export.prepared import check_destination, prepare_cohort
from pcrnet.deploy.manifest import bundle_digest
from pcrnet.deploy.prediction.predictor import Predictor
from pcrnet.deploy.signing import sign_bundle
from pcrnet.errors import IntegrityError, OutputError, ProblemListError

HEADS = ("yT0", "yN0", "yT0yN0")


@pytest.fixture(scope="module")
def golden(network_bundle):
    return network_bundle / "golden" / "cohort.csv"


@pytest.fixture(scope="module")
def prepared(network_bundle, golden, tmp_path_factory):
    out = tmp_path_factory.mktemp("prepared") / "patients.npz"
    return out, prepare_cohort(network_bundle, golden, out)


def test_the_graph_says_of_them_what_pcrnet_predicts(network_bundle, golden, prepared):
    out, found = prepared
    bundle = Bundle.read(network_bundle)
    expected = Predictor(bundle).predict_table(golden).predictions
    graph = DecisionGraph.of(bundle)
    with np.load(out, allow_pickle=False) as file:
        held = dict(file)
    (answers,) = run_graph(graph, [{name: held[name] for name in graph.inputs.names}])
    assert tuple(held["patient_id"]) == found.patients == expected.patient_id
    for column, head in enumerate(HEADS):
        np.testing.assert_allclose(
            answers["probability"][:, column], expected.prob[head], rtol=0, atol=1e-6
        )
    assert str(held["bundle_sha256"]) == found.bundle_sha256 == bundle_digest(network_bundle)


def test_patients_below_the_minimum_are_refused_with_the_reason(prepared):
    (reason,) = prepared[1].refused
    assert reason.patient == "golden-one-channel"
    assert "minimum_scans" in str(reason)


def test_safetensors_hold_the_same(network_bundle, golden, prepared, tmp_path):
    out = tmp_path / "patients.safetensors"
    prepare_cohort(network_bundle, golden, out)
    with np.load(prepared[0], allow_pickle=False) as file, safe_open(out, "np") as other:
        names = set(file.files) - {"patient_id", "bundle_sha256"}
        assert set(other.keys()) == names
        for name in names:
            np.testing.assert_array_equal(other.get_tensor(name), file[name])
        assert other.metadata()["patient_id"] == '["golden-complete", "golden-first-visit"]'


@pytest.mark.slow
def test_only_the_bundle_that_was_signed_is_prepared(network_bundle, golden, tmp_path):
    signer = ed25519.Ed25519PrivateKey.generate()
    for name, key in (("own", signer), ("other", ed25519.Ed25519PrivateKey.generate())):
        (tmp_path / f"{name}.pem").write_bytes(
            key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        )
    out = tmp_path / "patients.npz"
    with pytest.raises(IntegrityError, match="not signed"):
        prepare_cohort(network_bundle, golden, out, key=tmp_path / "own.pem")
    signed = Path(shutil.copytree(network_bundle, tmp_path / "signed"))
    sign_bundle(signed, signer)
    with pytest.raises(IntegrityError, match="was signed by the key"):
        prepare_cohort(signed, golden, out, key=tmp_path / "other.pem")
    assert not out.exists()
    assert prepare_cohort(signed, golden, out, key=tmp_path / "own.pem").patients


def test_the_command_imports_no_torch(network_bundle, golden, tmp_path, one_thread):
    out = tmp_path / "patients.npz"
    program = (
        "import sys\n"
        "class Refuse:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in ('torch', 'monai', 'pytorch_lightning'):\n"
        "            raise ImportError(name)\n"
        "sys.meta_path.insert(0, Refuse())\n"
        "from pcrnet.cli import main\n"
        f"sys.exit(main(['preprocess', {str(network_bundle)!r}, {str(golden)!r}, {str(out)!r}]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, env=one_thread
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{out}\n"
    assert "refused: patient golden-one-channel" in done.stderr
    assert out.is_file()


def test_another_bundle_is_refused(network_bundle, golden, tmp_path):
    with pytest.raises(IntegrityError, match="not the one that was asked for"):
        prepare_cohort(network_bundle, golden, tmp_path / "p.npz", sha256="0" * 64)
    assert not list(tmp_path.iterdir())


def test_a_name_that_says_no_form_is_refused(tmp_path):
    with pytest.raises(OutputError, match="safetensors"):
        check_destination(tmp_path / "patients.csv")


def test_nothing_is_written_when_every_patient_is_refused(network_bundle, golden, tmp_path):
    with golden.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    table = golden.with_name("poor.csv")
    with table.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerow(rows[-1])
    try:
        with pytest.raises((ProblemListError, IntegrityError)):
            prepare_cohort(network_bundle, Path(table), tmp_path / "p.npz")
    finally:
        table.unlink()
    assert not list(tmp_path.iterdir())
