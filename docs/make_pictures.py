"""Draw the pictures of the README: ``python docs/make_pictures.py [RUN]``.

The architecture is drawn around the scans of a simulated patient. With a finished run, its report
is photographed as well, which needs Chromium on the path.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle
from numpy.typing import NDArray

from pcrnet.cohort.table import read_cohort
from pcrnet.config.experiment import Experiment
from pcrnet.config.layers import load_experiment
from pcrnet.imaging.tensors.preprocess import PatientTensor, preprocess_patient
from pcrnet.simulation.trial import simulate_trial

PICTURES = Path(__file__).parent / "pictures"
WIDTH, HEIGHT = 160.0, 77.0

INK, SOFT, LINE, PAPER = "#1f2328", "#5b636d", "#c3c9d0", "#ffffff"
PET, MRI, CLINICAL, JOINT = "#d55e00", "#0072b2", "#009e73", "#5a4a8a"
TINT = {PET: "#fdf1e8", MRI: "#eaf3fa", CLINICAL: "#e9f6f1", JOINT: "#f1eef7"}
LABEL = {
    "pet": "FDG-PET",
    "dce_pre": "DCE pre",
    "dce_early": "DCE early",
    "dce_late": "DCE late",
    "t2": "T2",
    "adc": "ADC",
}
NOT_ACQUIRED = ("adc", 1)  # drawn as missing, to show that a scan may be
SHOWN = {"suv": (0.0, 8.0), "adc": (0.0, 2.5)}  # window of the channels that have a scale


def main() -> None:
    """Draw what can be drawn."""
    PICTURES.mkdir(exist_ok=True)
    experiment = load_experiment(["imaging.spacing_mm=[2,2,2]", "imaging.size=[48,48,48]"])
    draw_architecture(experiment, example_patient(experiment), PICTURES / "architecture.png")
    if len(sys.argv) > 1:
        photograph(Path(sys.argv[1]) / "report" / "index.html", PICTURES / "report.png")


def example_patient(experiment: Experiment) -> PatientTensor:
    """Of ten simulated patients the one whose uptake fell most until the interim visit."""
    data = experiment.data
    simulation = data.simulation.model_copy(
        update={"patients": 10, "mri_spacing_mm": 1.5, "missing_scan_fraction": 0.0}
    )
    with tempfile.TemporaryDirectory() as folder:
        cohort = read_cohort(
            simulate_trial(Path(folder) / "trial", simulation),
            definition=experiment.outcome.definition,
            timepoints=data.timepoints,
            channels=data.channels,
            covariates=(),
        )
        tensors = [
            preprocess_patient(patient, data, experiment.imaging) for patient in cohort.patients
        ]
    return min(
        tensors, key=lambda tensor: float(tensor.image[1, 0].max() / tensor.image[0, 0].max())
    )


def draw_architecture(experiment: Experiment, patient: PatientTensor, path: Path) -> None:
    """From the scans on the left to the joint outcome on the right."""
    mpl.rcParams["font.family"] = ["Liberation Sans", "DejaVu Sans"]
    figure = Figure(figsize=(WIDTH / 10, HEIGHT / 10), facecolor=PAPER)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set(xlim=(0, WIDTH), ylim=(0, HEIGHT))
    axes.axis("off")
    for x, title in (
        (3.0, "Scans in true units"),
        (51.0, "One encoder per branch"),
        (80.0, "Tokens"),
        (107.0, "Fusion"),
        (132.0, "One joint outcome"),
    ):
        axes.text(x, 73.2, title, fontsize=13, weight="bold", color=INK)
    axes.plot([3.0, 157.0], [71.2, 71.2], color=LINE, lw=0.8)
    _scans(axes, experiment, patient)
    _encoders(axes)
    _tokens(axes)
    _fusion(axes)
    _outcome(axes)
    figure.savefig(path, dpi=200)


def photograph(page: Path, path: Path) -> None:
    """The first screen of a report."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        raise SystemExit("no Chromium on the path: the report was not photographed")
    subprocess.run(  # noqa: S603 - a fixed command on a page of our own
        [
            browser,
            "--headless",
            "--no-sandbox",
            "--hide-scrollbars",
            "--force-device-scale-factor=1.5",
            "--window-size=1280,1000",
            f"--screenshot={path.resolve()}",
            page.resolve().as_uri(),
        ],
        check=True,
        capture_output=True,
    )


def _scans(axes: Axes, experiment: Experiment, patient: PatientTensor) -> None:
    data = experiment.data
    for column, (timepoint, day) in enumerate(zip(data.timepoints, patient.days, strict=True)):
        axes.text(
            13.0 + 15.5 * column + 6.5,
            68.0,
            f"{timepoint}\nday {day:+.0f}".replace("-", "−"),
            fontsize=9.5,
            color=SOFT,
            ha="center",
            va="center",
            linespacing=1.3,
        )
    heights = {"pet": 51.5}
    heights |= {name: 40.9 - 7.6 * index for index, name in enumerate(data.branches["mri"])}
    for index, channel in enumerate(data.channels):
        kind = experiment.imaging.channel_kind(channel)
        edge = 13.0 if channel == "pet" else 7.0
        colour = PET if channel == "pet" else MRI
        slices = patient.image[:, index, :, :, experiment.imaging.size[2] // 2]
        low, high = SHOWN.get(kind, (float(slices.min()), float(np.quantile(slices, 0.998))))
        axes.text(
            11.0,
            heights[channel] + edge / 2,
            LABEL[channel],
            fontsize=9.5,
            color=colour,
            ha="right",
            va="center",
        )
        for column in range(len(data.timepoints)):
            left = 13.0 + 15.5 * column + (13.0 - edge) / 2
            if (channel, column) == NOT_ACQUIRED:
                axes.add_patch(
                    Rectangle(
                        (left, heights[channel]),
                        edge,
                        edge,
                        fill=False,
                        ec=colour,
                        lw=1.1,
                        ls=(0, (3, 2)),
                    )
                )
                continue
            _image(
                axes,
                slices[column].T,
                (left, heights[channel], edge, edge),
                colour,
                low,
                high,
                "gray_r" if kind == "suv" else "gray",
            )
    axes.text(
        27.2,
        6.3,
        "a simulated patient; any scan may be\nmissing: it is masked, never filled in",
        fontsize=9.0,
        color=SOFT,
        ha="center",
        va="center",
        style="italic",
        linespacing=1.3,
    )


def _image(
    axes: Axes,
    values: NDArray[np.float16],
    place: tuple[float, float, float, float],
    colour: str,
    low: float,
    high: float,
    palette: str,
) -> None:
    left, bottom, width, height = place
    axes.imshow(
        values.astype(np.float32),
        extent=(left, left + width, bottom, bottom + height),
        origin="lower",
        cmap=palette,
        vmin=low,
        vmax=high,
        interpolation="bilinear",
        zorder=2,
    )
    axes.add_patch(
        Rectangle((left, bottom), width, height, fill=False, ec=colour, lw=1.1, zorder=3)
    )
    axes.set(xlim=(0, WIDTH), ylim=(0, HEIGHT), aspect="equal")


def _encoders(axes: Axes) -> None:
    for colour, name, middle in ((PET, "PET", 58.0), (MRI, "MRI", 29.5)):
        _box(axes, (51.0, middle + 0.8, 20.0, 9.4), colour)
        axes.text(
            61.0,
            middle + 6.9,
            f"{name} encoder",
            fontsize=11.5,
            weight="bold",
            color=colour,
            ha="center",
            va="center",
        )
        axes.text(
            61.0,
            middle + 3.4,
            "3D network, the same\nweights at every visit",
            fontsize=9,
            color=INK,
            ha="center",
            va="center",
            linespacing=1.25,
        )
        _box(axes, (51.0, middle - 8.4, 20.0, 7.4), colour, dashed=True)
        axes.text(
            61.0,
            middle - 4.7,
            "intensity summary:\nlevel, and change\nsince baseline",
            fontsize=9,
            color=INK,
            ha="center",
            va="center",
            linespacing=1.2,
        )
        _arrow(axes, (43.0, middle), (50.4, middle + 5.0), colour)
        _arrow(axes, (43.0, middle), (50.4, middle - 4.7), colour)
        _arrow(axes, (71.6, middle + 5.0), (79.0, middle + 5.0), colour)
        _arrow(axes, (71.6, middle - 4.7), (79.0, middle - 4.7), colour)
    _box(axes, (51.0, 6.0, 20.0, 7.0), CLINICAL)
    axes.text(
        61.0,
        9.5,
        "clinical covariates",
        fontsize=10.5,
        weight="bold",
        color=CLINICAL,
        ha="center",
        va="center",
    )
    _arrow(axes, (71.6, 9.5), (79.0, 9.5), CLINICAL)


def _tokens(axes: Axes) -> None:
    for colour, middle in ((PET, 58.0), (MRI, 29.5)):
        for row, present in ((0, True), (1, True)):
            for cell in range(8):
                _token(axes, 80.0 + 2.15 * cell, middle + 5.2 - 2.4 * row, colour, present)
        for cell in range(3):
            _token(axes, 80.0 + 2.15 * cell, middle - 5.6, colour, True)
    for cell in range(5):
        _token(axes, 80.0 + 2.15 * cell, 8.6, CLINICAL, cell != 3)
    for middle in (58.0, 29.5):
        for row, text in enumerate(("baseline", "interim")):
            axes.text(97.7, middle + 6.0 - 2.4 * row, text, fontsize=8.4, color=SOFT, va="center")
    axes.text(
        80.0,
        44.6,
        "cells of the feature maps, each\nwith its channels, its visit and\n"
        "day, and its place in mm",
        fontsize=9,
        color=SOFT,
        va="center",
        style="italic",
        linespacing=1.3,
    )
    axes.text(91.6, 9.5, "hollow: not known", fontsize=8.4, color=SOFT, va="center")


def _token(axes: Axes, left: float, bottom: float, colour: str, present: bool) -> None:
    face = colour if present else PAPER
    axes.add_patch(
        Rectangle((left, bottom), 1.7, 1.7, fc=face, ec=colour, lw=0.9, alpha=0.9, zorder=3)
    )


def _fusion(axes: Axes) -> None:
    _box(axes, (107.0, 20.0, 16.0, 42.0), JOINT)
    axes.text(
        115.0,
        47.5,
        "masked\ntransformer",
        fontsize=12.5,
        weight="bold",
        color=JOINT,
        ha="center",
        va="center",
        linespacing=1.2,
    )
    axes.text(
        115.0,
        36.5,
        "attends to what is\npresent, and to\nnothing else;\na query token\nreads the answer",
        fontsize=9.2,
        color=INK,
        ha="center",
        va="center",
        linespacing=1.35,
    )
    _arrow(axes, (99.0, 55.0), (106.4, 50.0), SOFT)
    _arrow(axes, (99.0, 26.5), (106.4, 31.0), SOFT)
    _arrow(axes, (104.5, 11.5), (109.5, 19.4), SOFT)
    _arrow(axes, (123.6, 41.0), (130.4, 41.0), SOFT)


def _outcome(axes: Axes) -> None:
    left, bottom, edge = 132.0, 31.5, 9.5
    cells = {(0, 1): ("yT0", "yN0"), (1, 1): ("yT0", "yN+"), (0, 0): ("yT+", "yN0")}
    cells[1, 0] = ("yT+", "yN+")
    for (column, row), names in cells.items():
        both = names == ("yT0", "yN0")
        axes.add_patch(
            Rectangle(
                (left + edge * column, bottom + edge * row),
                edge,
                edge,
                fc=JOINT if both else TINT[JOINT],
                ec=PAPER,
                lw=2.2,
                zorder=2,
            )
        )
        axes.text(
            left + edge * (column + 0.5),
            bottom + edge * (row + 0.5),
            "\n".join(names),
            fontsize=10.5,
            color=PAPER if both else INK,
            weight="bold" if both else "normal",
            ha="center",
            va="center",
            linespacing=1.25,
            zorder=3,
        )
    top, right = bottom + 2 * edge, left + 2 * edge
    axes.plot([right + 0.9] * 2, [top - edge + 0.4, top - 0.4], color=JOINT, lw=1.6)
    axes.text(right + 1.8, top - edge / 2, "P(yT0)", fontsize=10, color=JOINT, va="center")
    axes.plot([left + 0.4, left + edge - 0.4], [bottom - 0.9] * 2, color=JOINT, lw=1.6)
    axes.text(
        left + edge / 2, bottom - 2.7, "P(yN0)", fontsize=10, color=JOINT, ha="center", va="center"
    )
    axes.plot([left + edge / 2] * 2, [top + 0.5, top + 3.0], color=JOINT, lw=1.0)
    axes.text(
        left,
        top + 4.6,
        "P(yT0 yN0), the primary outcome",
        fontsize=10,
        color=JOINT,
        weight="bold",
        va="center",
    )
    axes.text(
        left,
        top + 9.2,
        "four cells that sum to 1,\nso the answers always agree",
        fontsize=9,
        color=SOFT,
        va="center",
        style="italic",
        linespacing=1.3,
    )
    _box(axes, (left, 8.5, 24.0, 12.0), JOINT, dashed=True)
    axes.text(
        left + 12.0,
        17.9,
        "calibrated",
        fontsize=10.5,
        weight="bold",
        color=JOINT,
        ha="center",
        va="center",
    )
    axes.text(
        left + 12.0,
        12.9,
        "on patients that the models\nhad not seen; the four\ncells still sum to 1",
        fontsize=9,
        color=INK,
        ha="center",
        va="center",
        linespacing=1.25,
    )
    _arrow(axes, (left + 1.35 * edge, bottom - 1.2), (left + 1.35 * edge, 21.2), SOFT)


def _box(
    axes: Axes, place: tuple[float, float, float, float], colour: str, *, dashed: bool = False
) -> None:
    left, bottom, width, height = place
    axes.add_patch(
        FancyBboxPatch(
            (left, bottom),
            width,
            height,
            boxstyle="round,pad=0,rounding_size=1.1",
            fc=PAPER if dashed else TINT[colour],
            ec=colour,
            lw=1.2,
            ls=(0, (4, 2)) if dashed else "-",
            zorder=2,
        )
    )


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], colour: str) -> None:
    axes.add_patch(
        FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=9, lw=1.2, color=colour)
    )


if __name__ == "__main__":
    main()
