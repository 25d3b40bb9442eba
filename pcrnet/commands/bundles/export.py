"""``pcrnet export``: a bundle as a graph that other programs run."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pcrnet.commands.bundles.bundle_use import add_bundle_checks
from pcrnet.commands.registry import Commands
from pcrnet.run.progress_bar import ProgressBar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pcrnet.deploy.export.parity import Agreement


def register(commands: Commands) -> None:
    """Add the command and its options."""
    export = commands.add(
        "export", _export, "a bundle as one graph for ONNX, torch or MONAI, checked against it"
    )
    export.add_argument("bundle", type=Path, metavar="BUNDLE")
    export.add_argument("out", type=Path, metavar="OUT", help="a folder that is not there yet")
    export.add_argument("--format", choices=("onnx", "torch", "monai"), required=True)
    export.add_argument(
        "--quantise",
        choices=("int8", "fp16"),
        help="a smaller ONNX graph beside the other; what it costs is printed",
    )
    export.add_argument(
        "--aot", action="store_true", help="with torch: a compiled program beside the other"
    )
    export.add_argument(
        "--license", type=Path, metavar="FILE", help="with monai: the terms of the weights"
    )
    add_bundle_checks(export)


def _export(options: argparse.Namespace) -> None:
    from pcrnet.deploy.export.exporting import ExportOptions, export_bundle, worst

    wanted = ExportOptions(options.format, options.quantise, options.aot, options.license)
    with ProgressBar("comparing graph and bundle", "cases") as bar:
        export = export_bundle(
            options.bundle,
            options.out,
            wanted,
            sha256=options.sha256,
            key=options.key,
            progress=bar.update,
        )
    sys.stdout.write(_table([*export.agreements, worst(export.agreements)]))
    for name, agreements in export.losses.items():
        least = worst(agreements)
        sys.stdout.write(
            f"{name}: probabilities differ by up to {least.probability:.2g}, logits by "
            f"{least.logits:.2g}, and {least.calls} of {3 * least.patients} calls\n"
        )
    sys.stdout.write(f"{options.out}\n")


def _table(agreements: Sequence[Agreement]) -> str:
    """Greatest differences between graph and bundle, a line a pattern."""
    width = max(len(each.pattern) for each in agreements)
    head = f"{'pattern':<{width}}  patients  cells    probs    logits   calls\n"
    return head + "".join(
        f"{each.pattern:<{width}}  {each.patients:>8}  {each.cells:<7.1e}  "
        f"{each.probability:<7.1e}  {each.logits:<7.1e}  {each.calls}\n"
        for each in agreements
    )
