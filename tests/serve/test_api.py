"""The OpenAPI page says what is done."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from pcrnet.serve.answering import BundleChoice
from pcrnet.serve.api import ERRORS, FORM, Answer, Refusal
from pcrnet.serve.app import make_app
from pcrnet.serve.limits import Limits
from pcrnet.serve.question import Question


def test_the_form_is_that_of_the_question_with_every_field_described() -> None:
    schema = FORM["requestBody"]["content"]["multipart/form-data"]["schema"]
    fields = schema["properties"]["question"]["properties"]
    assert set(fields) == set(Question.model_fields)
    assert all(field["description"] for field in fields.values())


def test_the_schema_is_whole_and_names_every_way_to_be_refused() -> None:
    app = make_app(BundleChoice(Path("bundle")), Limits())
    schema = json.loads(json.dumps(app.openapi()))
    answers = schema["paths"]["/predict"]["post"]["responses"]
    assert {int(status) for status in answers} == {200, *ERRORS}
    known = set(schema["components"]["schemas"])
    assert {"Answer", "Refusal", "Problem", "Metadata", "Health"} <= known
    for text in json.dumps(schema).split('"#/components/schemas/')[1:]:
        assert text.partition('"')[0] in known


def test_an_error_has_the_form_that_it_is_said_to_have() -> None:
    Refusal.model_validate({"error": {"kind": "UnitError", "problem": "not SUV"}})
    with pytest.raises(ValidationError):
        Refusal.model_validate({"error": "not SUV"})
    assert set(Answer.model_fields) >= {"probabilities", "calls", "thresholds", "bundle_sha256"}
