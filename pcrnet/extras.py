"""Libraries that are not installed with pcrnet unless they are asked for."""

from __future__ import annotations

from importlib.util import find_spec

from pcrnet.errors import ConfigError


def require_extra(extra: str, *modules: str, purpose: str) -> None:
    """Make sure that the libraries of an extra are installed.

    Args:
        extra: Its name, as in ``pip install 'pcrnet[serve]'``.
        modules: What has to be importable.
        purpose: What they are needed for.

    Raises:
        ConfigError: One of them is missing.
    """
    for module in modules:
        if find_spec(module) is None:
            raise ConfigError(
                f"{purpose} needs {module}, which is not installed",
                remedy=f"pip install 'pcrnet[{extra}]'",
            )
