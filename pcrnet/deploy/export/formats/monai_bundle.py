"""A graph as a MONAI Bundle: metadata, an inference program, and a plain state dictionary.

The form is MONAI's bundle specification and its published schema of ``metadata.json``. What is
executed is the class of pcrnet that the plan beside the state describes; nothing in the bundle is
code.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pcrnet import __version__
from pcrnet.cohort.outcome import HEADS
from pcrnet.deploy.bundle import Bundle
from pcrnet.deploy.export.decision.graph import DecisionGraph
from pcrnet.deploy.export.inputs import GraphInputs
from pcrnet.deploy.export.prepared import PATIENTS
from pcrnet.deploy.export.spec import GraphSpec
from pcrnet.errors import ConfigError, IntegrityError, OutputError
from pcrnet.storage import make_folder, write_json, write_text

SCHEMA = (
    "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/"
    "meta_schema_20240725.json"
)
GRAPH_FILE = "models/graph.json"
MODEL_FILE = "models/model.pt"
_LARGEST = 65504
_ROOM = "pcrnet.deploy.export.formats.monai_bundle"
_NO_LICENCE = """The program that runs this bundle, pcrnet, is under the Apache License 2.0.

The weights belong to who trained them, and no licence for them has been stated. Whoever passes the
bundle on replaces this file by the terms of the weights (pcrnet export --license FILE).
"""


def write_monai(folder: Path, bundle: Bundle, graph: DecisionGraph, licence: Path | None) -> None:
    """Write configs, models, docs and LICENSE into a folder.

    Args:
        folder: The root of the MONAI bundle.
        bundle: What is exported.
        graph: Its graph.
        licence: File with the terms of the weights.

    Raises:
        ConfigError: The licence cannot be read.
    """
    for name in ("configs", "models", "docs"):
        make_folder(folder / name)
    write_json(folder / GRAPH_FILE, GraphSpec.of(bundle).model_dump(mode="json"))
    state = {name: value.detach().clone() for name, value in graph.state_dict().items()}
    torch.save(state, folder / MODEL_FILE)
    write_json(folder / "configs" / "metadata.json", _metadata(bundle, graph.inputs))
    write_json(folder / "configs" / "inference.json", _inference())
    write_text(folder / "LICENSE", _licence(licence))
    write_text(folder / "docs" / "README.md", _readme(bundle))


def load_graph(path: str) -> DecisionGraph:
    """The graph that a plan describes, without its numbers; named by ``inference.json``.

    Raises:
        IntegrityError: The plan is damaged.
    """
    return DecisionGraph(GraphSpec.read(Path(path)))


def read_graph(plan: Path, state: Path) -> DecisionGraph:
    """The graph of a plan with the numbers of a state.

    Raises:
        IntegrityError: A file is damaged, or the two do not belong together.
    """
    graph = load_graph(str(plan))
    try:
        graph.load_state_dict(torch.load(state, map_location="cpu", weights_only=True))
    except Exception as error:
        raise IntegrityError(
            f"the state does not fit the graph ({type(error).__name__})",
            file=state,
            remedy="export the bundle again",
        ) from error
    return graph.eval()


@torch.no_grad()
def predict_file(graph: DecisionGraph, inputs: str, output: str) -> list[dict[str, Any]]:
    """Predict what ``pcrnet preprocess`` wrote as ``.npz``, and write JSON; for ``inference.json``.

    Args:
        graph: With its numbers.
        inputs: The prepared patients.
        output: ``.json``: one object a patient.

    Raises:
        ConfigError: The file does not hold the inputs of the graph.
        OutputError: Nothing can be written there.
    """
    if Path(output).suffix.lower() != ".json":
        raise OutputError("predictions end in .json", file=Path(output), remedy="name it so")
    try:
        with np.load(inputs, allow_pickle=False) as file:
            held = {name: file[name] for name in (*graph.inputs.names, PATIENTS)}
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(
            f"does not hold the inputs of the graph ({type(error).__name__})",
            file=Path(inputs).name,
            remedy="write it by pcrnet preprocess with the bundle of this export",
        ) from error
    device = graph.factors.device
    tensors = {name: torch.from_numpy(held[name]).to(device) for name in graph.inputs.names}
    found = {name: value.cpu().tolist() for name, value in graph.eval()(**tensors).items()}
    rows = [
        {
            PATIENTS: str(patient),
            "cells": found["cells"][row],
            "probability": dict(zip(HEADS, found["probability"][row], strict=True)),
            "call": dict(zip(HEADS, found["call"][row], strict=True)),
        }
        for row, patient in enumerate(held[PATIENTS])
    ]
    write_json(Path(output), rows)
    return rows


def _inference() -> dict[str, Any]:
    """What ``python -m monai.bundle run`` executes; every name can be given on its command line."""
    return {
        "imports": ["$import torch", f"$from {_ROOM} import predict_file"],
        "bundle_root": ".",
        "device": "cpu",
        "inputs": "$@bundle_root + '/golden.npz'",
        "output": "$@bundle_root + '/predictions.json'",
        "network_def": {
            "_target_": f"{_ROOM}.load_graph",
            "path": f"$@bundle_root + '/{GRAPH_FILE}'",
        },
        "network": "$@network_def.to(@device)",
        "state": f"$torch.load(@bundle_root + '/{MODEL_FILE}', map_location='cpu', "
        "weights_only=True)",
        "initialize": ["$@network.load_state_dict(@state)"],
        "run": ["$predict_file(@network, @inputs, @output)"],
    }


def _metadata(bundle: Bundle, inputs: GraphInputs) -> dict[str, Any]:
    import monai

    manifest = bundle.manifest
    kind = "a simulated trial; it knows nothing of patients" if manifest.simulated else "a cohort"
    return {
        "schema": SCHEMA,
        "version": "1.0.0",
        "changelog": {"1.0.0": f"exported from the bundle {bundle.sha256}"},
        "monai_version": monai.__version__,
        "pytorch_version": torch.__version__,
        "numpy_version": np.__version__,
        "required_packages_version": {"pcrnet": __version__},
        "name": manifest.name,
        "task": "Probability of pathological complete response to neoadjuvant therapy",
        "description": "Calibrated probabilities of yT0, yN0 and both, from PET/MRI at several "
        f"timepoints, measured quantities and covariates. Trained on {kind}. Images are (patient, "
        "timepoint, channel, x, y, z): the two axes after the patient are counted as channels "
        "here. contract.json beside configs describes every input.",
        "authors": "whoever trained the bundle",
        "copyright": "see LICENSE",
        "data_source": "stated by whoever trained the bundle",
        "data_type": "npz as written by pcrnet preprocess",
        "intended_use": "research only: not a medical device",
        "network_data_format": {
            "inputs": {name: _tensor(inputs, name) for name in inputs.names},
            "outputs": {
                "cells": _probabilities(4, ["yT0yN0", "yT0 alone", "yN0 alone", "neither"]),
                "probability": _probabilities(3, list(HEADS)),
                "call": {
                    **_probabilities(3, list(HEADS)),
                    "type": "labels",
                    "dtype": "int64",
                    "value_range": [-1, 1],
                },
                "logits": {
                    **_probabilities(3, ["yT0", "yN0 given yT0", "yN0 given not yT0"]),
                    "format": "logits",
                    "value_range": [],
                },
            },
        },
    }


def _tensor(inputs: GraphInputs, name: str) -> dict[str, Any]:
    data = inputs.data
    scans = [f"{timepoint}.{channel}" for timepoint in data.timepoints for channel in data.channels]
    entries: Mapping[str, list[str]] = {
        "image": scans,
        "present": scans,
        "days": list(data.timepoints),
        "quantities": list(inputs.quantities),
        "quantity_present": list(inputs.quantities),
        "covariates": [each.name for each in inputs.covariates],
        "covariate_present": [each.name for each in inputs.covariates],
    }
    image = name == "image"
    return {
        "type": "image" if image else "vector",
        "format": "magnitude" if image else "raw",
        "num_channels": len(entries[name]),
        "spatial_shape": list(inputs.imaging.size) if image else [],
        "dtype": inputs.dtype(name),
        "value_range": [-_LARGEST, _LARGEST]
        if image
        else [0, 1]
        if inputs.dtype(name) == "bool"
        else [],
        "is_patch_data": False,
        "channel_def": {str(index): entry for index, entry in enumerate(entries[name])},
    }


def _probabilities(count: int, names: list[str]) -> dict[str, Any]:
    return {
        "type": "probabilities",
        "format": "classes",
        "num_channels": count,
        "spatial_shape": [],
        "dtype": "float64",
        "value_range": [0, 1],
        "is_patch_data": False,
        "channel_def": {str(index): name for index, name in enumerate(names)},
    }


def _licence(path: Path | None) -> str:
    if path is None:
        return _NO_LICENCE
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"cannot be read ({type(error).__name__})",
            file=path,
            field="--license",
            remedy="name a text file with the terms of the weights",
        ) from error


def _readme(bundle: Bundle) -> str:
    name = json.dumps(bundle.manifest.name)
    return f"""# MONAI bundle of {name}

Needs pcrnet {__version__}, MONAI and fire. In the folder that holds `configs`:

```sh
python -m monai.bundle run --config_file configs/inference.json --bundle_root .
```

predicts the golden cases into `predictions.json`. Patients are prepared with the pcrnet bundle that
this was exported from (SHA-256 `{bundle.sha256}`) and predicted with

```sh
pcrnet preprocess BUNDLE cohort.csv patients.npz
python -m monai.bundle run --config_file configs/inference.json --bundle_root . \\
    --inputs patients.npz --output predictions.json
```

`contract.json` says what every input and output is. `model_card.md` says what the model does not
claim. Not a medical device.
"""
