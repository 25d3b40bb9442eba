"""What the reporting guidelines ask for, and where this report answers it.

One list serves TRIPOD+AI (Collins et al., BMJ 2024;385:e078378), the 2024 update of CLAIM (Tejani
et al., Radiol Artif Intell 2024;6:e240300; its 44 items are numbered otherwise than those of 2020),
STARD 2015 (Bossuyt et al., BMJ 2015;351:h5527) and STARD-AI (Sounderajah et al., Nat Med
2025;31:3283), which numbers the items of STARD 2015 anew and adds fourteen. Numbers are those of
the guidelines, the words are ours. What no table of predictions can know (who was asked, who paid)
is marked open, for the authors to answer here (:mod:`pcrnet.evaluation.report.answers`) or in the
paper.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

Part = Literal[
    "Title and introduction",
    "Methods: patients and data",
    "Methods: model",
    "Methods: analysis",
    "Results",
    "Discussion and openness",
]


@dataclass(frozen=True)
class Item:
    """One thing that a reader must be able to find."""

    part: Part
    ask: str
    tripod: str = ""
    claim: str = ""
    stard: str = ""
    place: str | None = None
    """Anchor of the section of the report that answers it."""
    beyond: str = ""
    """Items of STARD-AI that STARD 2015 does not have."""

    @property
    def stard_ai(self) -> str:
        """The numbers of STARD-AI."""
        renumbered = [_STARD_AI[number] for number in self.stard.split(", ") if number]
        return ", ".join([*renumbered, *([self.beyond] if self.beyond else [])])

    def numbers(self) -> tuple[tuple[str, str], ...]:
        """Guideline and number of everything that the item asks for."""
        columns = (
            ("TRIPOD", self.tripod),
            ("CLAIM", self.claim),
            ("STARD", self.stard),
            ("STARD-AI", self.stard_ai),
        )
        return tuple(
            (name, number) for name, column in columns for number in column.split(", ") if number
        )


@dataclass(frozen=True)
class AnsweredItem:
    """An item with its answer in one report; ``place`` is None where it is open."""

    item: Item
    place: str | None
    answer: str = ""
    """What the investigators say; empty where they say nothing."""


_STARD_AI = {
    **{str(number): str(number) for number in range(1, 6)},
    **{str(number): str(number + 1) for number in range(6, 10)},
    **{"10a": "15a", "10b": "16a", "11": "16b", "12a": "15c", "12b": "16c"},
    **{"13a": "17a", "13b": "17b"},
    **{str(number): str(number + 4) for number in range(14, 19)},
    **{"19": "24", "20": "25", "21a": "26a", "21b": "26b", "22": "27"},
    **{"23": "30", "24": "31", "25": "32", "26": "33", "27": "34"},
    **{"28": "36", "29": "37", "30": "38"},
}
"""Number in STARD 2015 to number in STARD-AI."""


_INTRODUCTION: Part = "Title and introduction"
_PATIENTS: Part = "Methods: patients and data"
_MODEL: Part = "Methods: model"
_ANALYSIS: Part = "Methods: analysis"
_RESULTS: Part = "Results"
_OPENNESS: Part = "Discussion and openness"

ITEMS: tuple[Item, ...] = (
    Item(
        _INTRODUCTION,
        "The title names a prediction model of diagnostic accuracy, its technique, its patients "
        "and its outcome",
        "1",
        "1",
        "1",
        "answer",
    ),
    Item(_INTRODUCTION, "Structured abstract", "2", "2", "2"),
    Item(
        _INTRODUCTION,
        "Clinical background, intended use, and where in the care of the patient it would stand",
        "3a, 3b",
        "3",
        "3",
    ),
    Item(_INTRODUCTION, "Known inequalities in health between groups of patients", "3c"),
    Item(
        _INTRODUCTION,
        "Objectives and hypotheses: what is developed, what is confirmed, against which values",
        "4",
        "4, 6",
        "4",
        "endpoints",
    ),
    Item(_PATIENTS, "Planned before the data were collected, or after", "", "5", "5"),
    Item(
        _PATIENTS,
        "Sources of the data, and how representative they are",
        "5a",
        "7",
        beyond="11, 28",
    ),
    Item(_PATIENTS, "Dates between which the patients were found and followed", "5b", "", "8"),
    Item(_PATIENTS, "Centres and setting", "6a", "", "8", "table-one"),
    Item(_PATIENTS, "Criteria of eligibility, and how patients were found", "6b", "8", "6, 7, 9"),
    Item(_PATIENTS, "Therapies received", "6c", "", "22"),
    Item(
        _PATIENTS,
        "Preparation of the data: units, grids, intensity rules, selection of subsets",
        "7",
        "9, 10",
        "10a",
        "configuration",
    ),
    Item(_PATIENTS, "How patients were made unidentifiable", "", "11"),
    Item(
        _PATIENTS,
        "Definition of the outcome (the reference standard)",
        "8a",
        "14",
        "10b",
        "answer",
    ),
    Item(_PATIENTS, "Why this reference standard was chosen", "8a", "15", "11"),
    Item(
        _PATIENTS,
        "Who assessed the outcome, how they were trained, with which tools, how well they agree",
        "8b",
        "16, 17, 18",
    ),
    Item(_PATIENTS, "Who drew the lesions, and how they were trained", "9c", "16, 18", beyond="12"),
    Item(
        _PATIENTS,
        "Whether assessors of outcome and of images knew of each other's results",
        "8c, 9b",
        "",
        "13a, 13b",
    ),
    Item(_PATIENTS, "Interval between scans, surgery and pathology", "", "", "22"),
    Item(
        _PATIENTS,
        "Predictors: which scans and covariates were chosen, and when they were measured",
        "9a, 9b",
        "",
        "10a",
        "configuration",
    ),
    Item(
        _PATIENTS,
        "Protocol of the scans: scanner, sequences, tracer, resolution",
        "9b",
        "13",
        beyond="13, 14",
    ),
    Item(_PATIENTS, "How the number of patients was arrived at", "10", "21", "18", "power"),
    Item(
        _PATIENTS,
        "Missing scans, missing outcomes and indeterminate results, and what was done with them",
        "11",
        "12",
        "15, 16",
        "flow",
    ),
    Item(
        _MODEL,
        "How patients were divided, and that no patient stands on both sides",
        "12a",
        "19, 20, 32",
        "",
        "estimation",
    ),
    Item(
        _MODEL,
        "Test on data from elsewhere, or why there was none",
        "12a",
        "33",
        "",
        "validation",
    ),
    Item(
        _MODEL,
        "How predictors enter: scaling, embedding, functional form",
        "12b",
        "9, 22",
        "",
        "configuration",
    ),
    Item(
        _MODEL,
        "Kind of model, its structure, its inputs and outputs",
        "12c, 15",
        "22",
        "10a",
        "configuration",
    ),
    Item(
        _MODEL,
        "Training: starting weights, loss, augmentation, schedule, hyper-parameters, choice of the "
        "final model, ensembles",
        "12c",
        "24, 25, 26, 27",
        "",
        "configuration",
        "15b",
    ),
    Item(_MODEL, "Software and its versions", "12g", "23", "", "provenance", "13"),
    Item(_MODEL, "How others can apply the whole model to new patients", "12g, 22", "43"),
    Item(_MODEL, "Recalibration or updating, and its effect", "12f, 24", "", "", "calibration"),
    Item(_MODEL, "Why this kind of model was chosen", "12c", "22"),
    Item(_MODEL, "Imbalance of the classes and what was done about it", "13", "19"),
    Item(_MODEL, "What was done about fairness, and why", "14", beyond="23, 35"),
    Item(
        _MODEL,
        "Differences between the data of training and of evaluation",
        "16, 20c",
        "",
        "",
        "validation",
        "29",
    ),
    Item(
        _ANALYSIS,
        "Threshold for calling a response, and whether it was fixed beforehand",
        "15",
        "",
        "12a",
        "operating-point",
    ),
    Item(_ANALYSIS, "Categories of the reference standard", "8a", "14", "12b", "answer"),
    Item(
        _ANALYSIS,
        "Measures of performance, and how intervals and tests were made",
        "12e",
        "28, 29",
        "14",
        "reading",
    ),
    Item(
        _ANALYSIS,
        "Comparison of models and robustness against missing parts of the input",
        "12e",
        "28, 30",
        "14, 17",
        "ablations",
    ),
    Item(_ANALYSIS, "Variation between centres", "12d, 23b", "30", "17", "subgroups"),
    Item(_ANALYSIS, "Explanation of single predictions", "", "31"),
    Item(_RESULTS, "Flow of patients, with a diagram", "20a", "35", "19", "flow"),
    Item(_RESULTS, "Characteristics of the patients", "20b", "36", "20", "table-one"),
    Item(_RESULTS, "How severe the disease was, and what those without it had", "", "", "21a, 21b"),
    Item(
        _RESULTS,
        "Number of patients and of responders in every analysis",
        "20a, 21",
        "35",
        "",
        "metrics",
    ),
    Item(_RESULTS, "Cross-table of prediction and outcome", "", "39", "23", "operating-point"),
    Item(
        _RESULTS,
        "Accuracy with intervals: discrimination and calibration",
        "23a",
        "37, 38",
        "24",
        "metrics",
    ),
    Item(_RESULTS, "Accuracy in subgroups, with intervals", "23a", "37", "17, 24", "subgroups"),
    Item(_RESULTS, "What it would bring to act on the predictions", "12e", "28", "", "use"),
    Item(_RESULTS, "Cases in which the model fails", "", "39", "", "cases"),
    Item(_RESULTS, "Harm from the index test or the reference standard", "", "", "25"),
    Item(_OPENNESS, "Interpretation, in the light of other studies and of fairness", "25"),
    Item(_OPENNESS, "Limitations: bias, uncertainty, how far it generalises", "26", "40", "26"),
    Item(_OPENNESS, "What it means for practice", "", "41", "27"),
    Item(_OPENNESS, "What happens when a scan is poor or missing", "27a", "", "15", "subgroups"),
    Item(_OPENNESS, "What a user must know and be able to do", "27b", beyond="15d"),
    Item(_OPENNESS, "Next steps before use", "27c"),
    Item(_OPENNESS, "Approval by an ethics committee, and consent", "17", beyond="6"),
    Item(
        _OPENNESS,
        "Funding, the part of the funders, and conflicts of interest",
        "18a, 18b",
        "44",
        "30",
        beyond="39",
    ),
    Item(_OPENNESS, "Registration", "18d", "34", "28", "endpoints"),
    Item(_OPENNESS, "Where the whole protocol can be read", "18c", "42", "29"),
    Item(_OPENNESS, "Availability of data", "18e", "43", beyond="40a"),
    Item(_OPENNESS, "Availability of code", "18f", "43", beyond="40a"),
    Item(
        _OPENNESS,
        "Whether predictions are kept, so that they can be audited",
        place="provenance",
        beyond="40b",
    ),
    Item(_OPENNESS, "Part of patients and the public in the study", "19"),
)


def answer_items(
    places: Collection[str], answers: Mapping[str, str] | None = None
) -> tuple[AnsweredItem, ...]:
    """Match the items with the sections that a report has, and with what investigators answer.

    Args:
        places: Anchors of the sections that this report really contains.
        answers: ``GUIDELINE NUMBER``, such as ``TRIPOD 17``, to a text.
    """
    return tuple(
        AnsweredItem(
            item,
            item.place if item.place in places else None,
            " ".join(
                dict.fromkeys(
                    text
                    for guideline, number in item.numbers()
                    if (text := (answers or {}).get(f"{guideline} {number}"))
                )
            ),
        )
        for item in ITEMS
    )
