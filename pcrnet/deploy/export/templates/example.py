"""Runs the exported graph with onnxruntime and numpy alone.

python example.py                  checks the golden answers
python example.py INPUTS.npz       predicts what `pcrnet preprocess` wrote
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime

_Arrays = dict[str, np.ndarray]
FOLDER = Path(__file__).resolve().parent
CONTRACT = json.loads((FOLDER / "contract.json").read_text(encoding="utf-8"))


def load() -> onnxruntime.InferenceSession:
    """The graph, if its file is the one that the contract names."""
    name = CONTRACT["graph"]["file"]
    if hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() != CONTRACT["files"][name]:
        sys.exit(f"{name} is not the file of contract.json: copy the folder again")
    return onnxruntime.InferenceSession(FOLDER / name, providers=["CPUExecutionProvider"])


def check(inputs: _Arrays) -> None:
    """Refuse inputs that the contract does not admit: types, shapes, too few scans, NaN, range."""
    for want in CONTRACT["inputs"]:
        have = inputs[want["name"]]
        if have.dtype != want["dtype"] or list(have.shape[1:]) != want["shape"][1:]:
            sys.exit(f"{want['name']}: {want['dtype']} {want['shape']} is wanted")
    present = inputs.get("present")
    if present is not None and (present.sum(axis=(1, 2)) < CONTRACT["minimum_scans"]).any():
        sys.exit(f"a patient has fewer than {CONTRACT['minimum_scans']} scans")
    for column, channel in enumerate(CONTRACT["channels"] if "image" in inputs else ()):
        voxels = inputs["image"][:, :, column][inputs["present"][:, :, column]]
        low, high = channel["range"]
        if not ((voxels >= low) & (voxels <= high)).all():
            sys.exit(f"{channel['name']}: holds NaN, or values beyond {low} to {high}")


def predict(session: onnxruntime.InferenceSession, inputs: _Arrays) -> _Arrays:
    """Cells, probabilities, calls and logits of each patient."""
    check(inputs)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs), strict=True))


def main() -> None:
    """Predict a file of inputs, or check the golden ones."""
    golden = len(sys.argv) < 2
    with np.load(FOLDER / "golden.npz" if golden else sys.argv[1], allow_pickle=False) as file:
        held = dict(file)
    answers = predict(load(), {each["name"]: held[each["name"]] for each in CONTRACT["inputs"]})
    print("patient", *CONTRACT["thresholds"])
    for row, patient in enumerate(held["patient_id"]):
        print(patient, *answers["probability"][row].round(4))
    if golden:
        worst = np.abs(held["expected_probability"] - answers["probability"]).max()
        print(f"golden answers differ by {worst:.2g}, {CONTRACT['golden_tolerance']} is allowed")
        sys.exit(0 if worst <= CONTRACT["golden_tolerance"] else 1)


if __name__ == "__main__":
    main()
