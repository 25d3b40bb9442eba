"""A real server under load: right answers, refusals in our words, no memory, no traces."""

from __future__ import annotations

import concurrent.futures
import contextlib
import gzip
import io
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import nibabel
import numpy as np
import pytest

from pcrnet.deploy.prediction.predictor import load_predictor

CANARY = "Kanarienvogel4711"
TOKEN = "only-for-this-test-4711"  # noqa: S105 - of this test


@dataclass(frozen=True)
class Server:
    """A running server."""

    url: str
    process: subprocess.Popen[bytes]
    temporary: Path
    log: Path

    def client(self) -> httpx.Client:
        return httpx.Client(
            base_url=self.url, timeout=120.0, headers={"Authorization": f"Bearer {TOKEN}"}
        )

    def megabytes(self) -> float:
        """Resident memory of the server and its processes."""
        own = self.process.pid
        tasks = Path(f"/proc/{own}/task").glob("*/children")  # any thread may have started one
        children = [pid for task in tasks for pid in task.read_text().split()]
        assert children
        pages = [Path(f"/proc/{pid}/statm").read_text().split()[1] for pid in [own, *children]]
        return sum(map(int, pages)) * os.sysconf("SC_PAGE_SIZE") / 2**20


@pytest.fixture(scope="module")
def server(
    small_bundle: Path, one_thread: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    (folder / "tmp").mkdir()
    (folder / "token").write_text(f"{TOKEN}\n")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    limits = ["upload-mb=4", "unpacked-mb=80", "files=30", "seconds=60", "waiting=30"]
    command = [
        sys.executable, "-m", "pcrnet.cli", "serve", str(small_bundle), "--port", str(port),
        "--token-file", str(folder / "token"), *(f"--max-{limit}" for limit in limits),
    ]  # fmt: skip
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, stderr=log, stdout=log, env=one_thread | {"TMPDIR": str(folder / "tmp")}
        )
    running = Server(f"http://127.0.0.1:{port}", process, folder / "tmp", folder / "log")
    try:
        end = time.monotonic() + 240
        while process.poll() is None and time.monotonic() < end:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{running.url}/health").status_code == 200:
                    break
            time.sleep(0.2)
        assert process.poll() is None, running.log.read_text()
        yield running
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    assert not list(running.temporary.iterdir())


def with_link() -> bytes:
    info = zipfile.ZipInfo("baseline/pet.nii.gz")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(info, "/etc/passwd")
    return stream.getvalue()


def swollen() -> bytes:
    """A NIfTI file that claims eight billion voxels, in 200 kB that unpack to 200 MB."""
    header = nibabel.Nifti1Header()
    header.set_data_dtype(np.float32)
    header.set_data_shape((2000, 2000, 2000))
    return gzip.compress(header.binaryblock + bytes(200 << 20), 6)


def in_becquerel(data: bytes) -> bytes:
    image = nibabel.Nifti1Image.from_bytes(gzip.decompress(data))
    louder = nibabel.Nifti1Image(image.get_fdata(dtype=np.float32) * 5000, image.affine)
    return louder.to_bytes()


@pytest.fixture(scope="module")
def cases(scans, question, make_zip) -> dict[str, tuple[bytes, str, int, str]]:
    """Name to archive, question, status and what the answer says."""
    whole = make_zip(scans)
    one = {"scans": {"baseline.pet": "baseline/pet.nii.gz"}, "patient_id": CANARY}
    loud = scans | {"baseline/pet.nii": in_becquerel(scans["baseline/pet.nii.gz"])}
    hot = {"scans": {"baseline.pet": "baseline/pet.nii"}}
    lost = {"scans": {"baseline.pet": "elsewhere.nii"}}
    text = {**json.loads(question), "covariates": {"age": "old"}}
    return {
        "whole": (whole, question, 200, ""),
        "one scan": (whole, json.dumps(one), 200, ""),
        "no archive": (b"PK no archive", question, 400, "cannot be unpacked"),
        "cut": (whole[: len(whole) // 2], question, 400, "cannot be unpacked"),
        "bomb": (make_zip({"zeros": bytes(70 << 20)}), question, 413, "times its size"),
        "too large": (make_zip({"a": bytes(6 << 20)}, 0), question, 413, "larger than 4 MB"),
        "many": (make_zip({str(n): b"" for n in range(31)}), question, 413, "holds 31 files"),
        "traversal": (make_zip({f"../{CANARY}": b"x"}), question, 400, "leads out"),
        "link": (with_link(), question, 400, "a link"),
        "no JSON": (whole, "{", 400, "question"),
        "unknown field": (whole, '{"pickle": 1}', 400, "question.pickle"),
        "no such file": (whole, json.dumps(lost), 400, "no such file"),
        "no DICOM": (whole, "{}", 422, "no DICOM series"),
        "becquerel": (make_zip(loud), json.dumps(hot), 422, "Bq/mL"),
        "damaged": (make_zip({"baseline/pet.nii.gz": b"x" * 500}), json.dumps(one), 422, ""),
        "archives within archives": (
            make_zip({"a.zip": make_zip({"b.zip": whole})}),
            question,
            400,
            "another archive",
        ),
        "swollen": (
            make_zip({"baseline/pet.nii.gz": swollen()}, 0),
            json.dumps(one),
            422,
            "voxels",
        ),
        "deep JSON": (whole, "[" * 30_000, 400, "recursion"),
        "long JSON": (whole, json.dumps({"patient_id": "x" * (2 << 20)}), 400, "cannot be read"),
        "number too large": (whole, f'{{"days": {{"baseline": {"9" * 5000}}}}}', 400, "question"),
        "a path of ours": (
            whole,
            '{"scans": {"baseline.pet": "/etc/passwd"}}',
            400,
            "no such file",
        ),
        "text for a number": (whole, json.dumps(text), 422, "age"),
    }


def send(client: httpx.Client, archive: bytes, question: str) -> httpx.Response:
    files = {"images": (f"{CANARY}.zip", archive)}
    return client.post("/predict", files=files, data={"question": question})


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_two_hundred_requests_eight_at_a_time(server: Server, small_bundle: Path, cases) -> None:
    golden = load_predictor(small_bundle).predict_table(small_bundle / "golden" / "cohort.csv")
    assert golden.predictions is not None
    names = [list(cases)[number % len(cases)] for number in range(200)]

    def one(name: str) -> tuple[str, httpx.Response]:
        with server.client() as client:
            return name, send(client, *cases[name][:2])

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        early = list(pool.map(one, names[:64]))
        before = server.megabytes()
        answers = early + list(pool.map(one, names[64:]))
        after = server.megabytes()
    seen = set()
    for name, response in answers:
        _, _, status, words = cases[name]
        assert response.status_code == status, (name, response.text)
        body = response.json()
        if status == 200:
            seen.add((name, body["probabilities"]["yT0"]))
            assert body["simulated"]
            assert body["research_only"]
        else:
            assert words in json.dumps(body, ensure_ascii=False), name
            assert set(body["error"]) <= {"kind", "problem", "field", "remedy"}
            assert CANARY not in response.text
    # The same question always gets the same answer, and the whole patient that of the bundle.
    expected = float(golden.predictions.prob["yT0"][0])
    assert [prob for name, prob in seen if name == "whole"] == [pytest.approx(expected, abs=1e-6)]
    assert len(seen) == 2
    assert after - before < 40.0
    (own,) = server.temporary.iterdir()
    assert not list(own.iterdir())
    log = server.log.read_text()
    assert log.count("request ") >= 200
    for secret in (CANARY, "baseline", str(server.temporary), "golden"):
        assert secret not in log


@pytest.mark.slow
def test_the_other_routes_say_what_the_bundle_asks_for(server: Server) -> None:
    with server.client() as client:
        about = client.get("/metadata").json()
        assert about["timepoints"] == ["baseline", "interim"]
        assert about["units"] == {"pet": "SUVbw", "adc": "1e-3 mm2/s"}
        assert about["limits"]["upload_mb"] == 4
        assert client.get("/health").json() == {"status": "ok", "workers": 1}
        page = client.get("/docs")
        assert "Research only" in page.text
        assert "http" not in page.text.replace(f"{server.url}", "").replace("http://localhost", "")
        assert page.headers["content-security-policy"].startswith("default-src 'none'")
        schema = client.get("/openapi.json").json()
        assert set(schema["paths"]) == {"/health", "/metadata", "/predict"}
        form = schema["paths"]["/predict"]["post"]["requestBody"]["content"]["multipart/form-data"]
        assert set(form["schema"]["properties"]) == {"images", "question"}
        gone = client.get("/etc/passwd")
        assert gone.status_code == 404
        assert gone.json()["error"]["kind"] == "HTTPException"
        assert client.get("/predict").status_code == 405


@pytest.mark.slow
def test_without_the_token_nothing_is_predicted(server: Server, cases) -> None:
    with httpx.Client(base_url=server.url, timeout=60.0) as client:
        assert send(client, *cases["whole"][:2]).status_code == 401
        assert client.get("/metadata").status_code == 200
        assert client.get("/health").status_code == 200
        wrong = client.post("/predict", headers={"Authorization": "Bearer ü".encode()})
        assert wrong.status_code == 401


@pytest.mark.slow
def test_what_is_no_form_is_refused(server: Server) -> None:
    with server.client() as client:
        assert client.post("/predict", content=b"x").status_code == 400
        assert client.post("/predict", data={"question": "{}"}).status_code == 400
        kind = {"Content-Type": "multipart/form-data; boundary=x"}
        assert client.post("/predict", content=b"--x\r\nno", headers=kind).status_code == 400
        endless = {"question": "x" * 100_000}
        answer = client.post("/predict", data=endless, files={"images": b""})
        assert answer.status_code == 400
        twice = [("images", b"a"), ("images", b"b")]
        assert client.post("/predict", files=twice).status_code == 400


@pytest.mark.slow
def test_a_body_that_does_not_say_how_long_it_is_is_counted(server: Server) -> None:
    def endless() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="images"; filename="a"\r\n\r\n'
        for _ in range(100):
            yield bytes(1 << 20)

    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    with server.client() as client, contextlib.suppress(httpx.WriteError, httpx.ReadError):
        answer = client.post("/predict", content=endless(), headers=kind)
        assert answer.status_code == 413
    (own,) = server.temporary.iterdir()
    assert not list(own.iterdir())
