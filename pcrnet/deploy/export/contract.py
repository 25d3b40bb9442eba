"""``contract.json``: what a graph takes and gives, for who runs it without pcrnet.

Plain facts: names, types, shapes, axes, units, ranges, the grid, thresholds, and the digest of the
bundle that the graph was made from.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pcrnet import __version__
from pcrnet.cohort.outcome import CELLS, HEADS
from pcrnet.config.imaging import ChannelKind
from pcrnet.deploy.bundle import Bundle
from pcrnet.deploy.export.inputs import GraphInputs, is_day
from pcrnet.deploy.export.parity import TOLERANCE, Agreement
from pcrnet.deploy.export.spec import GraphSpec, encoding_of
from pcrnet.models.network_model import NetworkModel
from pcrnet.models.rivals.tabular import TabularModel

CONTRACT_FILE = "contract.json"

_LARGEST = 65504.0  # scans are kept in half precision
_SCALE: dict[ChannelKind, str] = {
    "suv": "standardised uptake value; 0 outside the scan",
    "adc": "apparent diffusion coefficient; 0 outside the scan",
    "hu": "thousands of Hounsfield units; -1, air, outside the scan",
    "dce": "over the median of the body before contrast, one scale for all phases of a visit; 0 "
    "outside the scan",
    "ratio": "unchanged; 0 outside the scan",
    "zscore": "minus the mean of the body, over its standard deviation; the 1st percentile of the "
    "scan outside it",
}
_USUAL: dict[ChannelKind, tuple[float, float]] = {
    "suv": (0.0, 50.0),
    "adc": (0.0, 5.0),
    "hu": (-1.0, 3.0),
    "dce": (0.0, 20.0),
    "ratio": (0.0, 10.0),
    "zscore": (-10.0, 20.0),
}
"""Where tissue lies. Values far beyond hint at another unit; none is refused for it."""
_MEANING = {
    "image": "the scans on the grid; where a scan is absent the voxels are not looked at",
    "present": "which scans were acquired",
    "days": "days from the start of therapy to each visit, negative before it; NaN where unknown",
    "quantities": "what was measured, in the unit of each quantity; not looked at where absent",
    "quantity_present": "which quantities were measured",
    "covariates": "numbers as in the table, or the place of the category in its list from 0; not "
    "looked at where absent",
    "covariate_present": "which covariates are known; a category that is not listed is unknown",
}


def describe_contract(
    bundle: Bundle,
    inputs: GraphInputs,
    *,
    files: Mapping[str, str],
    graph: Mapping[str, Any],
    agreements: Sequence[Agreement],
) -> dict[str, Any]:
    """The contract as plain JSON.

    Args:
        bundle: The bundle.
        inputs: What the graph is given.
        files: Name of each file beside the contract to its SHA-256.
        graph: What kind of file the graph is.
        agreements: How well it agrees with the bundle.
    """
    manifest = bundle.manifest
    return {
        "format": 1,
        "name": manifest.name,
        "pcrnet": __version__,
        "bundle_sha256": bundle.sha256,
        "simulated": manifest.simulated,
        "intended_use": "research only: not a medical device",
        "graph": dict(graph),
        "files": dict(files),
        "inputs": [_input(inputs, name) for name in inputs.names],
        "outputs": _outputs(),
        "grid": {
            "voxels": list(manifest.imaging.size),
            "spacing_mm": list(manifest.imaging.spacing_mm),
            "axes": "left to right, back to front, foot to head (RAS)",
        },
        "timepoints": list(manifest.data.timepoints),
        "channels": _channels(bundle),
        "minimum_scans": manifest.data.minimum_scans,
        "quantities": _quantities(bundle),
        "covariates": _covariates(bundle, inputs),
        "outcome_definition": manifest.outcome.definition,
        "positive_class": manifest.positive_class,
        "thresholds": dict(manifest.operating_points),
        "tolerance": TOLERANCE,
        "agreement": [agreement.to_dict() for agreement in agreements],
    }


def _input(inputs: GraphInputs, name: str) -> dict[str, Any]:
    axes = {
        "image": ["patient", "timepoint", "channel", "x", "y", "z"],
        "present": ["patient", "timepoint", "channel"],
        "days": ["patient", "timepoint"],
    }
    of = "quantity" if name.startswith("quantit") else "covariate"
    return {
        "name": name,
        "dtype": inputs.dtype(name),
        "shape": ["batch", *inputs.shape(name)],
        "axes": axes.get(name, ["patient", of]),
        "meaning": _MEANING[name],
    }


def _outputs() -> list[dict[str, Any]]:
    both = {True: "1", False: "0"}
    cells = [f"yT0={both[breast]} yN0={both[nodes]}" for breast, nodes in CELLS]
    return [
        {
            "name": "cells",
            "dtype": "float64",
            "shape": ["batch", 4],
            "columns": cells,
            "range": [0.0, 1.0],
            "meaning": "calibrated probability of each joint outcome; a row sums to 1",
        },
        {
            "name": "probability",
            "dtype": "float64",
            "shape": ["batch", 3],
            "columns": list(HEADS),
            "range": [0.0, 1.0],
            "meaning": "calibrated probability of complete response",
        },
        {
            "name": "call",
            "dtype": "int64",
            "shape": ["batch", 3],
            "columns": list(HEADS),
            "range": [-1, 1],
            "meaning": "1 where the probability exceeds the threshold, else 0; -1 without a "
            "threshold",
        },
        {
            "name": "logits",
            "dtype": "float64",
            "shape": ["batch", 3],
            "columns": ["yT0", "yN0 given yT0=1", "yN0 given yT0=0"],
            "meaning": "log-odds before calibration",
        },
    ]


def _channels(bundle: Bundle) -> list[dict[str, Any]]:
    manifest = bundle.manifest
    kinds = {name: manifest.imaging.channel_kind(name) for name in manifest.data.channels}
    return [
        {
            "name": name,
            "branch": branch,
            "unit": manifest.units[name] if kinds[name] in ("suv", "adc", "ratio") else "1",
            "range": [-_LARGEST, _LARGEST],
            "usual": list(_USUAL[kinds[name]]),
            "scale": _SCALE[kinds[name]],
        }
        for branch, names in manifest.data.branches.items()
        for name in names
    ]


def _quantities(bundle: Bundle) -> list[dict[str, Any]]:
    model = bundle.model
    start = model.start if isinstance(model, NetworkModel) else model
    if not isinstance(start, TabularModel):
        return []
    standard = start.standardisation
    found: list[dict[str, Any]] = []
    for index, spec in enumerate(start.specs):
        if is_day(spec):
            continue
        centre, spread = float(standard.centre[index]), float(standard.spread[index])
        bounds = [centre + spread * float(of[index]) for of in (standard.low, standard.high)]
        found.append(
            {
                "name": spec.name,
                "unit": spec.unit,
                "meaning": spec.meaning,
                "rests_on": sorted(spec.scans),
                # Values beyond are drawn in; what says nothing is not looked at.
                "believed": bounds if all(map(math.isfinite, bounds)) else None,
            }
        )
    return found


def _covariates(bundle: Bundle, inputs: GraphInputs) -> list[dict[str, Any]]:
    spec = GraphSpec.of(bundle)
    encodings = [encoding_of(spec.start_encoding), *map(encoding_of, spec.encodings)]
    numeric = {
        item["name"]: {"mean": item["mean"], "deviation": item["deviation"]}
        for encoding in reversed(encodings)
        for item in encoding.to_dict()
        if item["kind"] == "numeric"
    }
    return [
        {"name": each.name, "kind": "numeric", "of_training": numeric[each.name]}
        if each.categories is None
        else {"name": each.name, "kind": "categorical", "categories": list(each.categories)}
        for each in inputs.covariates
    ]
