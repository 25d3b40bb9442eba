"""How a subcommand is added to the program."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from pcrnet.guard import settings_help

SETTINGS = "CONFIG.yaml or section.key=value"
"""What a positional argument of settings is called in a command's help."""


class Command(argparse.ArgumentParser):
    """A subcommand whose help may go on with every key that can be set."""

    lists_settings = False

    def format_help(self) -> str:
        """As argparse does it, with the keys behind it where ``lists_settings`` says so."""
        if not self.lists_settings:
            return super().format_help()
        self.epilog = None
        return f"{super().format_help()}\n{settings_help()}"


class Commands:
    """The subcommands of a program.

    Args:
        parser: Of the whole program.
    """

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self._subparsers = parser.add_subparsers(
            required=True, metavar="COMMAND", parser_class=Command
        )

    def add(
        self,
        name: str,
        run: Callable[[argparse.Namespace], None],
        text: str,
        *,
        overrides: bool = False,
    ) -> Command:
        """Add one subcommand.

        Args:
            name: As it is typed.
            run: Called with the parsed options; raises PcrnetError for whatever a user can cause.
            text: What it does, in one line.
            overrides: Whether settings may stand among its arguments; ``run`` finds them in
                ``options.overrides``.

        Returns:
            The parser of the subcommand, for its own options.
        """
        command: Command = self._subparsers.add_parser(
            name, help=text, description=text, allow_abbrev=False
        )
        command.set_defaults(run=run, takes_overrides=overrides)
        if overrides:
            command.epilog = "pcrnet train --help lists every key that can be set"
        return command
