"""What every part of the experiment is made of: a frozen record, and the ranges of its values."""

from __future__ import annotations

from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0)]
NonNegative = Annotated[float, Field(ge=0.0)]
PositiveInt = Annotated[int, Field(ge=1)]
NonNegativeInt = Annotated[int, Field(ge=0)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
RunName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]

_ItemT = TypeVar("_ItemT")
_SectionT = TypeVar("_SectionT", bound="Section")


def _each_once(values: tuple[_ItemT, ...]) -> tuple[_ItemT, ...]:
    if len(set(values)) != len(values):
        raise ValueError("each may be named once only")
    return values


Distinct = Annotated[tuple[_ItemT, ...], AfterValidator(_each_once)]
"""A list that names each of its items once."""


class Section(BaseModel):
    """A frozen part of the experiment; an unknown key is an error.

    Types are strict: ``true`` is no number and ``"1"`` neither; a whole number is a ``float`` too.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, validate_default=True, allow_inf_nan=False
    )

    @model_validator(mode="before")
    @classmethod
    def _lists_are_tuples(cls, values: object) -> object:
        """YAML and JSON know lists alone; a frozen record holds tuples."""
        return _frozen(values)


def _frozen(value: object) -> object:
    if isinstance(value, list):
        return tuple(_frozen(item) for item in value)
    if isinstance(value, dict):
        return {key: _frozen(item) for key, item in value.items()}
    return value


def same_length(section: _SectionT, *names: str) -> _SectionT:
    """The section, if its lists ``names`` have one entry a stage each; else ValueError."""
    lengths = {name: len(getattr(section, name)) for name in names}
    if len(set(lengths.values())) != 1 or not min(lengths.values()):
        found = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise ValueError(f"one entry a stage is needed in each list, but {found}")
    return section
