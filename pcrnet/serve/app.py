"""The server: routes, answers and errors, and a log that knows no patient."""

from __future__ import annotations

import hmac
import itertools
import logging
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from pcrnet import __version__
from pcrnet.errors import PcrnetError, ProblemListError, ProcessEndedError
from pcrnet.serve.answering import BundleChoice, ServerFaultError
from pcrnet.serve.api import ERRORS, FORM, Answer, Health, Metadata
from pcrnet.serve.limits import Limits
from pcrnet.serve.unpacking import NoRoomError, UploadError, UploadTooLargeError, no_room
from pcrnet.serve.uploads import received, server_folder
from pcrnet.serve.workers import BusyError, TooSlowError, WorkerPool

_LOG = logging.getLogger("pcrnet.serve")
_STATUS: tuple[tuple[type[PcrnetError], int], ...] = (
    (UploadTooLargeError, 413),
    (UploadError, 400),
    (NoRoomError, 507),
    (BusyError, 503),
    (TooSlowError, 504),
    (ServerFaultError, 500),
    (PcrnetError, 422),
)
_OPEN = frozenset({"/health", "/metadata", "/docs", "/openapi.json"})
_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}


def make_app(
    bundle: BundleChoice, limits: Limits, *, workers: int = 1, token: str | None = None
) -> FastAPI:
    """The server of a bundle, to be run by any ASGI server.

    Args:
        bundle: What is served.
        limits: Of requests.
        workers: Processes that answer them.
        token: Where given, ``/predict`` asks for it (``Authorization: Bearer``).
    """
    pool = WorkerPool(bundle, limits, workers)
    place: list[Path] = []

    @asynccontextmanager
    async def running(_: FastAPI) -> AsyncIterator[None]:
        with server_folder() as folder:
            place.append(folder)
            try:
                await pool.start()
            except PcrnetError as error:
                app.state.failure = error
                raise
            about = pool.metadata
            _LOG.info("ready: %s, bundle sha256 %s", about["name"], about["bundle_sha256"])
            if about["simulated"]:
                _LOG.info("the bundle was trained on a simulated trial: not for patients")
            try:
                yield
            finally:
                await pool.stop()

    app = FastAPI(
        title="pcrnet",
        version=__version__,
        description="Calibrated probabilities of complete response by one bundle. Research "
        "software: not a medical device.",
        lifespan=running,
        docs_url=None,  # both load their pages from other servers
        redoc_url=None,
    )

    @app.get("/health", summary="Whether requests are answered", response_model=Health)
    async def health() -> JSONResponse:
        ready = pool.ready
        status = "ok" if ready else "starting"
        return JSONResponse({"status": status, "workers": ready}, 200 if ready else 503)

    @app.get("/metadata", summary="What the bundle is and asks for", response_model=Metadata)
    async def about() -> JSONResponse:
        return JSONResponse(dict(pool.metadata))

    @app.post(
        "/predict",
        summary="Predict one patient",
        response_model=Answer,
        responses=ERRORS,
        openapi_extra=FORM,
    )
    async def predict(request: Request) -> JSONResponse:
        with pool.seat():
            async with received(request, place[-1], limits) as (folder, question):
                return JSONResponse(dict(await pool.ask(folder, question)))

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        # A plain form cannot send a token.
        return HTMLResponse(_page(app.openapi(), pool.metadata, form=token is None))

    _guard(app, token)
    return app


def _guard(app: FastAPI, token: str | None) -> None:
    """Let every request be logged by its number, and every error be one of ours."""
    numbers = itertools.count(1)

    @app.exception_handler(HTTPException)
    async def unknown(_: Request, error: HTTPException) -> Response:
        body = {"kind": "HTTPException", "problem": str(error.detail), "remedy": "see /docs"}
        return JSONResponse({"error": body}, error.status_code)

    @app.middleware("http")
    async def guard(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
        number, begun = next(numbers), time.monotonic()
        what = ""
        try:
            if token is not None and request.url.path not in _OPEN and not _knows(request, token):
                response: Response = JSONResponse(
                    _body(UploadError("the token is missing or wrong")), 401,
                    {"WWW-Authenticate": "Bearer"},
                )  # fmt: skip
            else:
                response = await go_on(request)
        except PcrnetError as error:
            what = type(error).__name__
            headers = {"Retry-After": "10"} if isinstance(error, BusyError) else None
            response = JSONResponse(_body(error), _status(error), headers)
        except ClientDisconnect:
            what = "the client hung up"
            response = JSONResponse(_body(UploadError("the request ended early")), 400)
        except OSError as error:
            what = f"{type(error).__name__} {error.errno}"
            fault = no_room(error) or ServerFaultError(type(error).__name__)
            response = JSONResponse(_body(fault), _status(fault))
        except Exception as error:  # its text may quote what was sent: the kind has to do
            what = f"{type(error).__name__} {_place_of(error)}"
            response = JSONResponse(_body(ServerFaultError(type(error).__name__)), 500)
        response.headers.update(_HEADERS)
        # No path: it is the client's text.
        _LOG.info(
            "request %d: %d in %.1f s%s",
            number, response.status_code, time.monotonic() - begun, what and f", {what}",
        )  # fmt: skip
        return response


def _knows(request: Request, token: str) -> bool:
    given = request.headers.get("authorization", "")
    return hmac.compare_digest(given.encode(), f"Bearer {token}".encode())


def _status(error: PcrnetError) -> int:
    if isinstance(error, ProcessEndedError):
        return 422
    return next(status for kind, status in _STATUS if isinstance(error, kind))


def _body(error: PcrnetError) -> dict[str, Any]:
    """An error as JSON; what is unknown is left out."""
    if isinstance(error, ProblemListError) and error.problems:
        return {"error": _fields(error.problems[0]), "more": len(error.problems) - 1}
    return {"error": _fields(error)}


def _fields(error: PcrnetError) -> dict[str, str]:
    fields = {
        "kind": type(error).__name__,
        "problem": error.problem,
        "field": error.field,
        "remedy": error.remedy,
    }
    return {name: text for name, text in fields.items() if text}


def _place_of(error: BaseException) -> str:
    """File and line where an error was raised."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return ""
    return f"({Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno})"


def _page(schema: Mapping[str, Any], metadata: Mapping[str, Any], *, form: bool) -> str:
    from jinja2 import Environment

    template = files("pcrnet.serve").joinpath("templates", "docs.html").read_text(encoding="utf-8")
    return (
        Environment(autoescape=True)
        .from_string(template)
        .render(api=schema, about=metadata, with_form=form)
    )


def log_to_stderr() -> None:
    """Write the server's log to standard error, one line a request."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    _LOG.addHandler(handler)
    _LOG.setLevel(logging.INFO)
    _LOG.propagate = False
