"""From an error to a message and an exit code, for scripts and commands alike."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable

from pcrnet.errors import PcrnetError

_BAD_INPUT = 2
_INTERRUPTED = 130
_CLOSED_PIPE = 141
_USERS_MATTER = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.ENAMETOOLONG,
    errno.ELOOP,
    errno.EMFILE,
)


def guarded(command: Callable[[], None], *, usage: str | None = None) -> int:
    """Run a command and turn what a user can cause into a message.

    Args:
        command: What to run.
        usage: Printed for ``-h`` and ``--help``, with every key that can be set, instead of running
            the command.

    Returns:
        Exit code: 0, 2 for bad input, 130 when interrupted from the keyboard.
    """
    if usage is not None and {"-h", "--help"} & set(sys.argv[1:]):
        sys.stdout.write(f"{usage.strip()}\n\n{settings_help()}")
        return 0
    try:
        command()
        sys.stdout.flush()
    except PcrnetError as error:
        sys.stderr.write(f"error: {error}\n")
        return _BAD_INPUT
    except OSError as error:
        return _refused_by_system(error)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; the same command continues where this one stopped\n")
        return _INTERRUPTED
    return 0


def _refused_by_system(error: OSError) -> int:
    """The exit code where the system refuses what only a user can change; other errors go on.

    Reading and writing have errors of their own, which name the place; this is the net below.
    """
    if isinstance(error, BrokenPipeError):  # whoever read our output has enough
        _forget_output()
        return _CLOSED_PIPE
    if error.errno not in _USERS_MATTER:
        raise error
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        _forget_output()
    sys.stderr.write(f"error: {error.strerror}\n")
    return _BAD_INPUT


def _forget_output() -> None:
    """Python would try to write the rest, and complain, once more at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def settings_help() -> str:
    """Every key that can be set, for the end of a help text."""
    from pcrnet.config.reference import reference_text

    return f"settings (section.key=default, then what it may be):\n\n{reference_text()}"
