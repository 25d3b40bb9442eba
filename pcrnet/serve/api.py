"""What the server's OpenAPI page says of requests and answers."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from pcrnet.serve.question import Question


class _Documented(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True)


class Answer(_Documented):
    """The answer of ``/predict``."""

    patient_id: str
    probabilities: dict[str, float]
    """yT0, yN0, yT0yN0: calibrated probability of complete response, 0 to 1."""
    calls: dict[str, bool | None]
    """Whether the probability exceeds the threshold; null where none is locked."""
    thresholds: dict[str, float | None]
    intervals: dict[str, tuple[float, float] | None]
    """Limits of each probability; null where the bundle gives none."""
    doubts: dict[str, str]
    """``near_threshold`` and ``unlike_training``, where there is something to be said."""
    scans: list[str]
    """``timepoint.channel`` that the model was shown."""
    lesion: Literal["mask", "found", "none"] | None
    """Where the lesion was taken from; null where the model looks at no scan."""
    lesion_quality: float | None
    """How surely a lesion was found, 0 to 1; null where none was sought."""
    left_out: dict[str, int]
    """Why series of a study were not used, with their number; empty where the client named them."""
    took_part_in_training: bool
    """Whether a scan is known from training: then the answer says nothing about the model."""
    positive_class: str
    simulated: bool
    research_only: bool
    bundle_sha256: str


class Health(_Documented):
    """The answer of ``/health``."""

    status: str
    workers: int


class Metadata(_Documented):
    """The answer of ``/metadata``."""

    name: str
    bundle_sha256: str
    bundle_written_by: str
    pcrnet: str
    simulated: bool
    research_only: bool
    model: str
    outcome_definition: str
    positive_class: str
    thresholds: dict[str, float | None]
    timepoints: list[str]
    units: dict[str, str]
    covariates: list[str]
    minimum_scans: int
    limits: dict[str, int]


class Problem(_Documented):
    """What is wrong, and what the client can do about it."""

    kind: str
    problem: str
    field: str | None = None
    remedy: str | None = None


class Refusal(_Documented):
    """The answer to a request that is refused."""

    error: Problem
    more: int | None = None
    """How many problems there are beside this one."""


_WHY = {
    400: "The request is malformed: no form, no sound archive, or a question that makes no sense",
    401: "The token is missing or wrong",
    413: "The upload, or what it unpacks to, is larger than the server takes",
    422: "The patient cannot be predicted: scans, units, geometry or covariates are not as they "
    "should be",
    503: "Too many requests are waiting",
    504: "The prediction took longer than it may",
    507: "The server has no room for the upload at present",
}
ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": Refusal, "description": text} for status, text in _WHY.items()
}


def _question_schema() -> dict[str, Any]:
    schema = Question.model_json_schema()
    schema["description"] = "What is what in the archive, as JSON"
    return schema


FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["images"],
                    "properties": {
                        "images": {
                            "type": "string",
                            "format": "binary",
                            "description": "A zip archive of NIfTI files or DICOM series",
                        },
                        "question": _question_schema(),
                    },
                },
                "encoding": {"question": {"contentType": "application/json"}},
            }
        },
    }
}
"""The form that ``/predict`` takes, which the server reads by itself to count it as it comes."""
