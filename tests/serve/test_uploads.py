"""Folders of requests come and go; what is too large or too slow is not taken."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.requests import Request

from pcrnet.serve.answering import UPLOAD_FILE
from pcrnet.serve.limits import Limits
from pcrnet.serve.unpacking import UploadError, UploadTooLargeError
from pcrnet.serve.uploads import received, server_folder

HEAD = b'--x\r\nContent-Disposition: form-data; name="images"; filename="a.zip"\r\n\r\n'
TEXT = b'\r\n--x\r\nContent-Disposition: form-data; name="question"\r\n\r\n{}\r\n--x--\r\n'


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def request_of(parts: list[bytes], *, every_s: float = 0.0, **headers: str) -> Request:
    left: Iterator[bytes] = iter(parts)
    all_headers = {"content-type": "multipart/form-data; boundary=x"} | headers

    async def receive() -> dict[str, object]:
        await asyncio.sleep(every_s)
        body = next(left, None)
        return {"type": "http.request", "body": body or b"", "more_body": body is not None}

    scope = {
        "type": "http", "method": "POST", "path": "/predict", "query_string": b"",
        "headers": [(k.encode(), v.encode()) for k, v in all_headers.items()],
    }  # fmt: skip
    return Request(scope, receive)


def taken(request: Request, place: Path, limits: Limits) -> tuple[bytes, str]:
    async def take() -> tuple[bytes, str]:
        async with received(request, place, limits) as (folder, question):
            assert folder.stat().st_mode & 0o077 == 0
            return (folder / UPLOAD_FILE).read_bytes(), question

    try:
        return asyncio.run(take())
    finally:
        assert not list(place.iterdir())


def test_a_form_in_pieces_is_put_together_and_goes_with_the_request(place: Path) -> None:
    data = os.urandom(3_000_000)
    body = HEAD + data + TEXT
    pieces = [body[at : at + 100_001] for at in range(0, len(body), 100_001)]
    assert taken(request_of(pieces), place, Limits()) == (data, "{}")


def test_a_request_that_says_it_is_too_large_is_refused_unread(place: Path) -> None:
    request = request_of([], **{"content-length": str(10**30)})
    with pytest.raises(UploadTooLargeError, match="larger than 1 MB"):
        taken(request, place, Limits(upload_mb=1))


def test_a_request_that_does_not_say_so_is_refused_when_it_is(place: Path) -> None:
    pieces = [HEAD, *[bytes(1 << 19)] * 8]
    with pytest.raises(UploadTooLargeError, match="larger than 1 MB"):
        taken(request_of(pieces), place, Limits(upload_mb=1))


def test_a_request_that_trickles_is_refused(place: Path) -> None:
    pieces = [HEAD, *[b"x"] * 100]
    with pytest.raises(UploadError, match="longer than 1 s"):
        taken(request_of(pieces, every_s=0.1), place, Limits(seconds=1))


@pytest.mark.parametrize(
    "body",
    [b"", b"--x\r\n", HEAD + b"cut", TEXT[2:], HEAD + b"a\r\n" + HEAD + b"b" + TEXT],
    ids=["empty", "begun", "cut", "no file", "two files"],
)
def test_what_is_no_form_is_refused(place: Path, body: bytes) -> None:
    with pytest.raises(UploadError):
        taken(request_of([body]), place, Limits())


def test_the_folder_of_a_server_goes_with_it_and_takes_along_what_the_killed_left(
    place: Path,
) -> None:
    # No process has this number: they end at 2 ** 22.
    left = place / "pcrnet-serve-99999999-abc"
    strange = place / "pcrnet-serve-notes"
    for folder in (left, strange):
        folder.mkdir()
        (folder / "scan.nii").touch()
    with server_folder() as own:
        assert own.is_dir()
        assert own.stat().st_mode & 0o077 == 0
        assert not left.exists()
        with server_folder() as other:
            assert own.is_dir()
            assert other != own
    assert sorted(path.name for path in place.iterdir()) == [strange.name]
