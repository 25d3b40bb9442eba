"""The upload of a request: counted while it comes, kept in a folder that goes with the request."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pcrnet.serve.answering import UPLOAD_FILE
from pcrnet.serve.limits import Limits
from pcrnet.serve.question import MAX_QUESTION_BYTES
from pcrnet.serve.unpacking import UploadError, UploadTooLargeError

if TYPE_CHECKING:
    from starlette.datastructures import FormData, UploadFile
    from starlette.requests import Request

_PREFIX = "pcrnet-serve-"
_FORM_BYTES = 1 << 20
"""What a form may take beside its file."""


@contextmanager
def server_folder() -> Iterator[Path]:
    """A folder for all requests of this process, readable by this user alone, removed at the end.

    What servers left that were killed is removed, too.
    """
    for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        if not _alive(left.name.removeprefix(_PREFIX).partition("-")[0]):
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(
        prefix=f"{_PREFIX}{os.getpid()}-", ignore_cleanup_errors=True
    ) as folder:
        yield Path(folder)


def _alive(process: str) -> bool:
    if not process.isdecimal() or len(process) > 10:
        return True  # not ours to judge
    with suppress(PermissionError):
        try:
            os.kill(int(process), 0)
        except (ProcessLookupError, OverflowError):
            return False
    return True


@asynccontextmanager
async def received(
    request: Request, place: Path, limits: Limits
) -> AsyncIterator[tuple[Path, str]]:
    """Take the form of a request: a file ``images`` and the text ``question``.

    Yields:
        A folder that holds the file, which is removed afterwards, and the question.

    Raises:
        UploadError: The request is no such form, or came too slowly.
        UploadTooLargeError: It is larger than the limits allow.
    """
    stated = request.headers.get("content-length", "")
    if stated.isdecimal() and int(stated[:20]) > limits.upload_bytes + _FORM_BYTES:
        raise _too_large(limits)
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise _no_form("the request is no form")
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, dir=place))
    try:
        yield folder, await _take(request, folder / UPLOAD_FILE, limits)
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


async def _take(request: Request, place: Path, limits: Limits) -> str:
    """Keep the file of a form; returns the question."""
    from starlette.datastructures import UploadFile
    from starlette.exceptions import HTTPException
    from starlette.formparsers import MultiPartException

    # The form is spooled to files without a name, which vanish with the request.
    counted = _Counted(request, limits)
    try:
        async with asyncio.timeout(limits.seconds), counted.form() as form:
            images, question = form.get("images"), form.get("question", "")
            if not isinstance(images, UploadFile) or not isinstance(question, str):
                raise _no_form("the form lacks its file, or its question is no text")
            await asyncio.to_thread(_keep, images, place)
            return question
    except TimeoutError:
        raise UploadError(
            f"the upload took longer than {limits.seconds} s", remedy="send it again"
        ) from None
    except (HTTPException, MultiPartException):  # its text may quote what was sent
        raise _no_form("the form cannot be read") from None


def _no_form(problem: str) -> UploadError:
    return UploadError(
        problem,
        remedy="send the fields images (a zip archive) and question (JSON of at most "
        f"{MAX_QUESTION_BYTES >> 10} kB) as multipart/form-data",
    )


class _Counted:
    """A request whose body is counted as it comes."""

    def __init__(self, request: Request, limits: Limits) -> None:
        from starlette.requests import Request as Counted

        self._left = limits.upload_bytes + _FORM_BYTES
        self._limits = limits
        self._receive = request.receive
        self._request = Counted(request.scope, self._next)

    async def _next(self) -> dict[str, object]:
        message = dict(await self._receive())
        body = message.get("body", b"")
        self._left -= len(body) if isinstance(body, bytes) else 0
        if self._left < 0:
            raise _too_large(self._limits)
        return message

    def form(self) -> AbstractAsyncContextManager[FormData]:
        return self._request.form(max_files=1, max_fields=1, max_part_size=MAX_QUESTION_BYTES)


def _keep(upload: UploadFile, path: Path) -> None:
    with path.open("xb") as target:
        shutil.copyfileobj(upload.file, target, 1 << 20)


def _too_large(limits: Limits) -> UploadTooLargeError:
    return UploadTooLargeError(
        f"the request is larger than {limits.upload_mb} MB",
        remedy="leave out the series that are not needed",
    )
