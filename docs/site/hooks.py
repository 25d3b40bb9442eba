"""What the site takes from the code and from files outside docs/, at each build: no second copy.

A page holds ``<!-- generated: NAME -->`` where the text of :data:`GENERATED` belongs. Files of
:data:`OUTSIDE` become pages, and links to them are led there.
"""

from __future__ import annotations

import argparse
import html
import importlib
import os
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.structure.files import File, Files

import pcrnet.commands
from pcrnet.commands.registry import Commands
from pcrnet.config.experiment import Experiment
from pcrnet.config.reference import Key, sections
from pcrnet.imaging.quantify.specs import quantity_specs

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.pages import Page

_ROOT = Path(__file__).parents[2]

OUTSIDE = {
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "benchmarks/README.md": "benchmarks.md",
}
"""Files of the repository that are pages, too."""


def configuration() -> str:
    """Every key of the configuration, a table a section."""
    parts = []
    for section in sections():
        parts.append(f"## {section.title}\n\n{_text(section.meaning)}\n")
        if section.keys:
            parts.append("| key | default | values | meaning |\n| --- | --- | --- | --- |")
            parts.append("\n".join(map(_key_row, section.keys)) + "\n")
    return "\n".join(parts)


def _key_row(key: Key) -> str:
    return f"| `{key.path}` | {_code(key.default)} | {_text(key.values)} | {_text(key.meaning)} |"


def _code(text: str) -> str:
    return f"`{text}`".replace("|", "\\|") if text else ""


def _text(text: str) -> str:
    return html.escape(text, quote=False).replace("|", "\\|")


def commands() -> str:
    """The help of every subcommand."""
    os.environ["COLUMNS"] = "96"
    parser = argparse.ArgumentParser(prog="pcrnet")
    registered = Commands(parser)
    for module in pkgutil.walk_packages(pcrnet.commands.__path__, "pcrnet.commands."):
        register = getattr(importlib.import_module(module.name), "register", None)
        if register is not None:
            register(registered)
    return "\n".join(_help(parser, 2))


def _help(parser: argparse.ArgumentParser, level: int) -> Iterator[str]:
    for action in parser._actions:  # argparse has no public list of subcommands
        if not isinstance(action, argparse._SubParsersAction):
            continue
        for _, command in sorted(action.choices.items()):
            text = argparse.ArgumentParser.format_help(_complete(command))
            yield f"{'#' * level} {command.prog}\n\n```text\n{text.rstrip()}\n```\n"
            yield from _help(command, level + 1)


def _complete(command: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Parsers that add their options when they are used have added them."""
    complete = getattr(command, "add_own_options", None)
    if complete is not None:
        complete()
    return command


def quantities() -> str:
    """The quantities of the default experiment."""
    experiment = Experiment()
    rows = [
        f"| `{spec.name}` | {_text(spec.meaning)} | {spec.unit} | "
        f"{', '.join(sorted(spec.scans)) or '–'} | {'yes' if spec.modelled else ''} |"
        for spec in quantity_specs(experiment.data, experiment.imaging)
    ]
    head = "| name | meaning | unit | rests on | for models |\n| --- | --- | --- | --- | --- |"
    return f"{len(rows)} quantities.\n\n{head}\n" + "\n".join(rows) + "\n"


GENERATED = {"configuration": configuration, "commands": commands, "quantities": quantities}
"""Name of a mark to what stands in its place."""
_MARK = re.compile(r"^<!-- generated: (\w+) -->$", re.M)
_LINK = re.compile(r"(?P<text>\[[^\]]*\])\((?P<path>[^)#:\s]+)(?P<rest>#[^)\s]*)?\)")


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages whose files lie outside docs/."""
    for source, page in OUTSIDE.items():
        text = (_ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, *, page: Page, **_: object) -> str:
    """Fill the marks in, and lead links to files outside docs/ to their pages."""
    markdown = _MARK.sub(lambda mark: GENERATED[mark[1]](), markdown)
    outside = {page: source for source, page in OUTSIDE.items()}
    here = _ROOT / outside.get(page.file.src_uri, f"docs/{page.file.src_uri}")

    def led(link: re.Match[str]) -> str:
        target = (here.parent / link["path"]).resolve()
        if not target.is_relative_to(_ROOT):
            return link[0]
        source = target.relative_to(_ROOT).as_posix()
        if source in OUTSIDE:
            source = f"docs/{OUTSIDE[source]}"
        if not source.startswith("docs/"):
            # A file of the repository that is no page: it is named, for the site does not hold it.
            return f"{link['text'][1:-1]} (`{source}`)" if target.exists() else link[0]
        place = os.path.relpath(source, Path("docs", page.file.src_uri).parent)
        return f"{link['text']}({place}{link['rest'] or ''})"

    return _LINK.sub(led, markdown)
