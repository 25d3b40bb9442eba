"""Settings of how a scan becomes a tensor."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pcrnet.config.section import Name, NonNegative, Positive, PositiveInt, Section

ChannelKind = Literal["suv", "adc", "hu", "dce", "ratio", "zscore"]


class DicomConfig(Section):
    """How DICOM series become volumes; NIfTI files are not affected."""

    tracers: Annotated[tuple[str, ...], Field(min_length=1)] = ("FDG",)
    """PET tracers that are let in, by name or by radionuclide (``FES``, ``Ga-68``)."""
    unnamed_series: tuple[Annotated[str, Field(pattern="^[0-9a-f]{16}$")], ...] = ()
    """Series that name no drug and hold the first of ``tracers`` all the same, each by its mark,
    which the refusal states; it follows from the content of the files alone."""
    suv: Literal["bw", "lbm-james", "lbm-janmahasatian", "bsa"] = "bw"
    """What PET is normalised to: body weight, lean body mass by either formula, or surface."""
    slice_gap_tolerance: Annotated[float, Field(ge=0.0, le=0.5)] = 0.05
    """How far the distance of two slices may differ from the median one, as a fraction of it."""
    dce_early_s: tuple[float, float] = (60.0, 150.0)
    """Seconds after injection between which ``dce_early`` lies."""
    dce_late_s: tuple[float, float] = (240.0, 600.0)
    """Seconds after injection between which ``dce_late`` lies."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        for low, high in (self.dce_early_s, self.dce_late_s):
            if not 0.0 <= low < high:
                raise ValueError("a DCE window is two increasing numbers of seconds, from 0")
        return self


RegistrationEngine = Literal["simpleitk", "greedy"]


class NoAlignment(Section):
    """Visits lie as their headers say: nothing is moved."""

    kind: Literal["none"] = "none"


class RigidAlignment(Section):
    """Later visits are registered to the first, the lesion left out of what is compared."""

    kind: Literal["rigid"] = "rigid"
    on_failure: Literal["refuse", "keep"] = "keep"
    """A result that cannot be right refuses the patient, or leaves the visit as it came and says
    so."""
    engine: RegistrationEngine = "simpleitk"
    """What searches: ``greedy`` needs ``pip install pcrnet[greedy]``."""
    min_similarity: NonNegative = 0.25
    """Mutual information in nats below which two visits do not show the same body."""
    max_shift_mm: Positive = 80.0
    """A later visit that had to be moved further is refused."""
    max_rotation_degrees: Positive = 20.0
    """A later visit that had to be turned further is refused."""
    max_front_mm: Positive = 15.0
    """How far the fronts of the bodies may differ before one counts as prone, one as supine."""
    allow_prone_supine: bool = False
    """Let pairs in that look like one prone and one supine visit."""


AlignmentConfig = Annotated[NoAlignment | RigidAlignment, Field(discriminator="kind")]


class ImagingConfig(Section):
    """The one grid on which the network sees a patient."""

    spacing_mm: tuple[Positive, Positive, Positive] = (6.0, 6.0, 6.0)
    """Edge lengths of a voxel of the grid."""
    size: tuple[PositiveInt, PositiveInt, PositiveInt] = (24, 24, 16)
    """Voxels along left-to-right, back-to-front and foot-to-head (the axes of RAS)."""
    alignment: AlignmentConfig = RigidAlignment()
    """Whether later visits are registered to the first."""
    channels: dict[Name, ChannelKind] = Field(default={})
    """Channel to its intensity rule, where the name does not tell it (``pet``, ``adc``, ``dce_*``;
    ``ct`` is in Hounsfield units, kind hu; ``ser`` is a ratio that keeps its scale; every other
    channel is z-scored)."""
    dicom: DicomConfig = DicomConfig()
    """How DICOM series are read."""

    def channel_kind(self, channel: str) -> ChannelKind:
        """The intensity rule of a channel."""
        if channel in self.channels:
            return self.channels[channel]
        by_name: dict[str, ChannelKind] = {
            "pet": "suv",
            "adc": "adc",
            "ct": "hu",
            "dce": "dce",
            "ser": "ratio",
        }
        for prefix, kind in by_name.items():
            if channel == prefix or channel.startswith(f"{prefix}_"):
                return kind
        return "zscore"
