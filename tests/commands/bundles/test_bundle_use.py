"""Every command that uses a bundle refuses one that the owner of a key has not signed."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pcrnet.cli import main


@pytest.fixture
def key(tmp_path):
    path = tmp_path / "public.pem"
    public = Ed25519PrivateKey.generate().public_key()
    path.write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return path


@pytest.mark.parametrize(
    "words",
    [
        "predict {bundle} {table} -o {out}.csv",
        "explain {bundle} {table} {out}",
        "export {bundle} {out} --format torch",
        "preprocess {bundle} {table} {out}.npz",
        "evaluate --bundle {bundle} --cohort {table} --out {out}",
        "verify {bundle}",
    ],
    ids=lambda words: words.split()[0],
)
@pytest.mark.parametrize("check", ["--key", "--bundle-sha256"])
def test_a_bundle_that_nobody_vouches_for_is_refused(
    words, check, small_bundle, key, tmp_path, capsys
):
    out = tmp_path / "out"
    table = small_bundle / "golden" / "cohort.csv"
    arguments = words.format(bundle=small_bundle, table=table, out=out).split()
    wanted = str(key) if check == "--key" else "0" * 64
    assert main([*arguments, check, wanted]) == 2
    said = capsys.readouterr().err
    assert ("is not signed" if check == "--key" else "not the one that was asked for") in said
    assert [path.name for path in tmp_path.iterdir()] == ["public.pem"]
