"""``pcrnet serve``: a bundle behind HTTP."""

from __future__ import annotations

import argparse
import socket
import sys
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from pcrnet.commands.bundles.bundle_use import add_bundle_checks
from pcrnet.commands.registry import Commands
from pcrnet.errors import ConfigError
from pcrnet.serve.limits import Limits

if TYPE_CHECKING:
    from fastapi import FastAPI

_HELP = {
    "upload_mb": "megabytes of a request",
    "unpacked_mb": "megabytes that it may unpack to",
    "files": "files in its archive",
    "seconds": "for one prediction, and as many for its upload",
    "waiting": "requests that may wait",
}
_SHORTEST_TOKEN = 16


def register(commands: Commands) -> None:
    """Add the command and its options."""
    serve = commands.add("serve", _serve, "answer requests over HTTP with a bundle")
    serve.add_argument("bundle", type=Path, metavar="BUNDLE")
    serve.add_argument("--host", default="127.0.0.1", help="address (default: this machine alone)")
    serve.add_argument("--port", type=int, default=8000)
    serve.add_argument("--workers", type=int, default=1, help="processes that predict (default: 1)")
    serve.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    serve.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="its first line is what a client has to send as Authorization: Bearer",
    )
    for limit in fields(Limits):
        serve.add_argument(
            f"--max-{limit.name.replace('_', '-')}",
            dest=limit.name,
            type=int,
            default=limit.default,
            metavar="N",
            help=f"{_HELP[limit.name]} (default: {limit.default})",
        )
    add_bundle_checks(serve)


def _serve(options: argparse.Namespace) -> None:
    from pcrnet.extras import require_extra

    require_extra("serve", "fastapi", "uvicorn", "python_multipart", purpose="the server")
    if options.workers < 1:
        raise ConfigError("at least one process has to predict", field="--workers")
    limits = Limits(**{limit.name: getattr(options, limit.name) for limit in fields(Limits)})
    token = None if options.token_file is None else _token(options.token_file)

    from pcrnet.serve.answering import BundleChoice
    from pcrnet.serve.app import log_to_stderr, make_app

    door = _door(options.host, options.port)
    bundle = BundleChoice(options.bundle, options.device, options.sha256, options.key)
    log_to_stderr()
    sys.stderr.write(f"http://{options.host}:{door.getsockname()[1]}/docs\n")
    _run(make_app(bundle, limits, workers=options.workers, token=token), door)


def _door(host: str, port: int) -> socket.socket:
    """Where requests come in, opened before the bundle is read."""
    try:
        return socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET
        )
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"nobody can listen there ({getattr(error, 'strerror', None) or error})",
            field="--host, --port",
            remedy="name another address or port, or end who listens there",
        ) from error


def _run(app: FastAPI, door: socket.socket) -> None:
    import uvicorn

    from pcrnet.serve.patience import ImpatientProtocol

    config = uvicorn.Config(
        app,
        http=ImpatientProtocol,
        access_log=False,  # ours knows no paths
        log_level="critical",  # and no text of an error, which might quote what was sent
        server_header=False,
        timeout_graceful_shutdown=5,
    )
    try:
        uvicorn.Server(config).run(sockets=[door])
    finally:
        failure = getattr(app.state, "failure", None)
        if failure is not None:
            raise failure


def _token(path: Path) -> str:
    from pcrnet.storage import read_bounded

    lines = read_bounded(path, max_bytes=1 << 16).decode("ascii", "replace").splitlines()
    if not lines or len(lines[0]) < _SHORTEST_TOKEN:
        raise ConfigError(
            f"the token has fewer than {_SHORTEST_TOKEN} characters",
            field="--token-file",
            remedy="make one: openssl rand -hex 32",
        )
    return lines[0]
