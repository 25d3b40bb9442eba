"""The experiment: frozen records filled from layered YAML files and dotted overrides.

Configuration is plain data. Nothing in it is imported, executed or looked up by name; a variant is
a ``kind`` that the code matches explicitly. Each option has one home: the field below, whose
default is the simulated trial that ``train.py`` runs when it is given nothing else.
"""

from __future__ import annotations

import difflib
import math
import re
import types
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from pcrnet.errors import ConfigError

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0)]
NonNegative = Annotated[float, Field(ge=0.0)]
PositiveInt = Annotated[int, Field(ge=1)]
NonNegativeInt = Annotated[int, Field(ge=0)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
RunName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


_SectionT = TypeVar("_SectionT", bound="Section")


class Section(BaseModel):
    """A frozen part of the experiment; an unknown key is an error."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False
    )


def _same_length(section: _SectionT, *names: str) -> _SectionT:
    lengths = {name: len(getattr(section, name)) for name in names}
    if len(set(lengths.values())) != 1 or not min(lengths.values()):
        found = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise ValueError(f"one entry a stage is needed in each list, but {found}")
    return section


class RunConfig(Section):
    """Where the run is written and what its random numbers start from."""

    name: RunName = "simulated"
    root: str = "runs"
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1

    @property
    def directory(self) -> Path:
        """The run directory, ``<root>/<name>``."""
        return Path(self.root) / self.name


class SimulationConfig(Section):
    """The in-silico trial that stands in where no cohort is given."""

    patients: Annotated[int, Field(ge=10)] = 240
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 2024
    sites: PositiveInt = 3
    missing_scan_fraction: Fraction = 0.05
    """Chance that any one scan after the first PET was not acquired."""
    mri_spacing_mm: Positive = 2.5
    """In-plane voxel of the MRI; PET, slices and ADC follow from it as on real scanners."""


class DataConfig(Section):
    """Which patients, scans and covariates enter."""

    cohort: str | None = None
    """Path of ``cohort.csv``; null simulates a trial by ``data.simulation``."""
    simulation: SimulationConfig = SimulationConfig()
    timepoints: tuple[Name, ...] = ("baseline", "interim")
    """In order of time; the first is the reference for geometry."""
    branches: dict[Name, tuple[Name, ...]] = Field(
        default={"pet": ("pet",), "mri": ("dce_pre", "dce_early", "dce_late", "t2", "adc")}
    )
    """Branch to its channels. Each branch has an encoder of its own."""
    covariates: tuple[str, ...] | None = None
    """Columns of the cohort used as clinical covariates; null: those of the simulated trial, none
    of a real cohort."""
    minimum_scans: PositiveInt = 1
    """A patient with fewer scans than this is refused, in training and in prediction."""
    cache: str | None = None
    """Folder of the preprocessed tensors; null: ``<run.root>/cache``."""
    workers: NonNegativeInt = 0
    """Loader processes. The cohort is memory-mapped, so 0 is the fastest on most machines."""

    @property
    def channels(self) -> tuple[str, ...]:
        """All channels, branch by branch."""
        return tuple(channel for channels in self.branches.values() for channel in channels)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.timepoints or len(set(self.timepoints)) != len(self.timepoints):
            raise ValueError("timepoints must name at least one timepoint, each once")
        if not self.branches or not all(self.branches.values()):
            raise ValueError("branches must name at least one branch, each with a channel or more")
        if len(set(self.channels)) != len(self.channels):
            raise ValueError("a channel belongs to one branch only")
        if self.minimum_scans > len(self.timepoints) * len(self.channels):
            raise ValueError("minimum_scans exceeds timepoints × channels: nobody could enter")
        return self


class OutcomeConfig(Section):
    """How complete response of the breast is defined; the two definitions never mix."""

    definition: Literal["ypT0", "ypT0/is"] = "ypT0"


ChannelKind = Literal["suv", "adc", "dce", "ratio", "zscore"]


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
    """Later visits are registered to the first; a result that cannot be right is refused."""

    kind: Literal["rigid"] = "rigid"
    engine: RegistrationEngine = "simpleitk"
    """What searches: ``greedy`` needs ``pip install pcrnet[greedy]``."""
    min_similarity: NonNegative = 0.25
    """Mutual information in nats below which two visits do not show the same body."""
    max_shift_mm: Positive = 80.0
    max_rotation_degrees: Positive = 20.0
    max_front_mm: Positive = 15.0
    """How far the fronts of the bodies may differ before one counts as prone, one as supine."""
    allow_prone_supine: bool = False


AlignmentConfig = Annotated[NoAlignment | RigidAlignment, Field(discriminator="kind")]


class ImagingConfig(Section):
    """The one grid on which the network sees a patient."""

    spacing_mm: tuple[Positive, Positive, Positive] = (6.0, 6.0, 6.0)
    size: tuple[PositiveInt, PositiveInt, PositiveInt] = (24, 24, 16)
    """Voxels along left-to-right, back-to-front and foot-to-head (the axes of RAS)."""
    alignment: AlignmentConfig = NoAlignment()
    channels: dict[Name, ChannelKind] = Field(default={})
    """Channel to its intensity rule, where the name does not tell it (``pet``, ``adc``, ``dce_*``;
    ``ser`` is a ratio that keeps its scale; every other channel is z-scored)."""
    dicom: DicomConfig = DicomConfig()

    def channel_kind(self, channel: str) -> ChannelKind:
        """The intensity rule of a channel."""
        if channel in self.channels:
            return self.channels[channel]
        by_name: dict[str, ChannelKind] = {
            "pet": "suv",
            "adc": "adc",
            "dce": "dce",
            "ser": "ratio",
        }
        for prefix, kind in by_name.items():
            if channel == prefix or channel.startswith(f"{prefix}_"):
                return kind
        return "zscore"


class AugmentationConfig(Section):
    """One fused random warp of the crop and random intensities, made on the training device."""

    enabled: bool = True
    flip_probability: Fraction = 0.5
    """Left-right mirror image, all visits of the patient together."""
    rotation_degrees: NonNegative = 10.0
    translation_mm: NonNegative = 6.0
    scale_fraction: Annotated[float, Field(ge=0.0, lt=0.5)] = 0.08
    elastic_mm: NonNegative = 0.0
    """Standard deviation of a smooth random displacement; 0 leaves it out."""
    visit_shift_mm: NonNegative = 2.0
    """Extra shift of each visit of its own: what registration leaves over."""
    noise: NonNegative = 0.03
    """Standard deviation of added noise, in network input units."""
    gain_fraction: Annotated[float, Field(ge=0.0, lt=0.5)] = 0.05
    """Random gain of each visit and branch; small, since SUV and ADC are absolute."""
    channel_dropout: Fraction = 0.05
    """Chance that a present channel is hidden, so that missing scans are nothing new."""


class ResNetConfig(Section):
    """Normaliser-free residual encoder; the stem and every stage halve the grid."""

    kind: Literal["resnet"] = "resnet"
    stem_width: PositiveInt = 12
    widths: tuple[PositiveInt, ...] = (24, 48)
    blocks: tuple[NonNegativeInt, ...] = (1, 1)
    """Residual blocks of each stage."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        return _same_length(self, "widths", "blocks")


class ConvNeXtConfig(Section):
    """ConvNeXt blocks in 3D: depthwise 5×5×5, layer norm, inverted bottleneck."""

    kind: Literal["convnext"] = "convnext"
    stem_width: PositiveInt = 16
    widths: tuple[PositiveInt, ...] = (32, 64)
    blocks: tuple[NonNegativeInt, ...] = (1, 1)

    @model_validator(mode="after")
    def _check(self) -> Self:
        return _same_length(self, "widths", "blocks")


class DenseNetConfig(Section):
    """MONAI's densely connected blocks."""

    kind: Literal["densenet"] = "densenet"
    stem_width: PositiveInt = 16
    growth: PositiveInt = 8
    blocks: tuple[PositiveInt, ...] = (2, 2)
    initial_width: PositiveInt = 16


class ViTConfig(Section):
    """Vision transformer on patches of the stem's feature map."""

    kind: Literal["vit"] = "vit"
    stem_width: PositiveInt = 16
    patch: PositiveInt = 4
    depth: PositiveInt = 2
    heads: PositiveInt = 4


class SwinConfig(Section):
    """MONAI's shifted-window transformer."""

    kind: Literal["swin"] = "swin"
    stem_width: PositiveInt = 12
    width: PositiveInt = 16
    depths: tuple[PositiveInt, ...] = (2,)
    heads: tuple[PositiveInt, ...] = (2,)
    window: PositiveInt = 4

    @model_validator(mode="after")
    def _check(self) -> Self:
        return _same_length(self, "depths", "heads")


EncoderConfig = Annotated[
    ResNetConfig | ConvNeXtConfig | DenseNetConfig | ViTConfig | SwinConfig,
    Field(discriminator="kind"),
]


class ConcatFusionConfig(Section):
    """One vector a branch and timepoint, side by side with its presence flag, then an MLP."""

    kind: Literal["concat"] = "concat"
    hidden: PositiveInt = 64


class GatedFusionConfig(Section):
    """A learned weight for each token that is present (gated attention pooling)."""

    kind: Literal["gated"] = "gated"
    hidden: PositiveInt = 64


class TransformerFusionConfig(Section):
    """Self-attention over whatever tokens are present, read out by a query token."""

    kind: Literal["transformer"] = "transformer"
    depth: PositiveInt = 2
    heads: PositiveInt = 4
    mlp_ratio: Positive = 2.0


FusionConfig = Annotated[
    ConcatFusionConfig | GatedFusionConfig | TransformerFusionConfig, Field(discriminator="kind")
]


class ModelConfig(Section):
    """Encoders, fusion and head."""

    width: PositiveInt = 64
    """Length of every token."""
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.1
    encoder: EncoderConfig = ResNetConfig()
    fusion: FusionConfig = TransformerFusionConfig()


class FixedSchedule(Section):
    """Every fit runs ``training.max_epochs``: nothing is chosen by looking."""

    kind: Literal["fixed"] = "fixed"


class EarlyStopping(Section):
    """Stop on a slice of the fit's own training patients, never on the folds it is judged on."""

    kind: Literal["early"] = "early"
    fraction: Annotated[float, Field(gt=0.0, le=0.5)] = 0.2
    patience: PositiveInt = 10


StoppingConfig = Annotated[FixedSchedule | EarlyStopping, Field(discriminator="kind")]


class TrainingConfig(Section):
    """How one network is fitted."""

    max_epochs: PositiveInt = 12
    batch_size: PositiveInt = 8
    learning_rate: Positive = 2e-3
    weight_decay: NonNegative = 0.02
    warmup_fraction: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.1
    gradient_clip: Positive = 1.0
    average_decay: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.98
    """Decay of the exponential moving average of the weights; 0 leaves it out."""
    stopping: StoppingConfig = FixedSchedule()
    precision: Literal["auto", "32", "bf16"] = "auto"
    """auto: bf16 where the training device computes in it, else 32."""
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    parallel_fits: PositiveInt | Literal["auto"] = "auto"
    """Fits that run at the same time, each on a GPU (or share of the cores) of its own; auto: as
    many as there are GPUs, else as there are cores, four at most."""
    deterministic: bool = True
    """Deterministic algorithms only; densenet has none on a GPU and is refused there."""
    max_steps: PositiveInt | None = None
    """Stop each fit after so many steps: for trying a configuration out."""

    @field_validator("precision", mode="before")
    @classmethod
    def _number_or_name(cls, value: object) -> object:
        return str(value) if isinstance(value, int) else value


class YoudenRule(Section):
    """The threshold with the largest sensitivity + specificity."""

    kind: Literal["youden"] = "youden"


class SensitivityRule(Section):
    """The largest threshold that keeps at least this sensitivity for complete response."""

    kind: Literal["sensitivity"] = "sensitivity"
    target: Fraction = 0.9


class SpecificityRule(Section):
    """The smallest threshold that keeps at least this specificity: few residual tumours missed."""

    kind: Literal["specificity"] = "specificity"
    target: Fraction = 0.9


class NetBenefitRule(Section):
    """The decision-analytic threshold itself: operate when P(response) exceeds it."""

    kind: Literal["net_benefit"] = "net_benefit"
    threshold: Fraction = 0.8


OperatingPointConfig = Annotated[
    YoudenRule | SensitivityRule | SpecificityRule | NetBenefitRule, Field(discriminator="kind")
]


class ChainCalibration(Section):
    """The shrunk chain: q = σ(a₁ℓ₁+b₁), r = σ(a₂ℓ₂+b₂), a ≥ 0, a₂ drawn toward a₁."""

    kind: Literal["chain"] = "chain"
    shrinkage: Positive = 0.25
    """Standard deviation of a₂ − a₁."""


class TemperatureCalibration(Section):
    """Bias-corrected temperature on the four joint cells."""

    kind: Literal["temperature"] = "temperature"


class IsotonicCalibration(Section):
    """A monotone curve for each of q, r and s; refused where too few patients carry a curve."""

    kind: Literal["isotonic"] = "isotonic"


class NoCalibration(Section):
    """The network's own probabilities."""

    kind: Literal["none"] = "none"


CalibrationConfig = Annotated[
    ChainCalibration | TemperatureCalibration | IsotonicCalibration | NoCalibration,
    Field(discriminator="kind"),
]


class EvaluationConfig(Section):
    """How the network is judged. Nothing here is ever fitted on the fold that it judges."""

    folds: Annotated[int, Field(ge=3, le=20)] = 5
    group: Literal["patient", "site"] = "patient"
    """patient: folds stratified by outcome and site; site: whole sites are held out."""
    mode: Literal["nested", "crossfit"] = "nested"
    """crossfit takes the K fits that ship, is optimistic, and says so wherever it is shown."""
    repeats: Annotated[int, Field(ge=1, le=100)] = 1
    """How often the cross-validation is done, each time with other folds and other seeds. Metrics
    are averaged over repeats, predictions never; predictions.csv and the bundle are the first's."""
    calibration: CalibrationConfig = ChainCalibration()
    operating_point: OperatingPointConfig = YoudenRule()
    bootstrap_draws: Annotated[int, Field(ge=200)] = 2000
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1
    variants: bool = True
    """Also judge the run without each branch and timepoint, and the clinical covariates alone."""
    protocol: str | None = None
    """YAML file of the trial's endpoints; null leaves the confirmatory analysis out."""

    @property
    def caution(self) -> str:
        """What is said wherever the results are shown; empty where nothing has to be."""
        if self.mode == "nested":
            return ""
        return (
            "Cross-fitting is optimistic: calibrator and threshold of a fold were fitted on "
            "predictions of models that had seen that fold's outcomes. Use evaluation.mode=nested "
            "before believing these results."
        )


class TrackingConfig(Section):
    """Weights & Biases beside the local record, which stays the truth."""

    wandb: Literal["auto", "online", "offline", "disabled"] = "auto"
    """auto: online where the user is logged in, offline elsewhere. ``WANDB_MODE`` overrules it."""
    project: str = "pcrnet"
    group: str | None = None


class Experiment(Section):
    """The whole experiment: everything that decides its numbers, and nothing else."""

    run: RunConfig = RunConfig()
    data: DataConfig = DataConfig()
    outcome: OutcomeConfig = OutcomeConfig()
    imaging: ImagingConfig = ImagingConfig()
    augmentation: AugmentationConfig = AugmentationConfig()
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    tracking: TrackingConfig = TrackingConfig()

    @property
    def cache_directory(self) -> Path:
        """Folder of the preprocessed tensors, shared by all runs below the same root."""
        return Path(self.data.cache) if self.data.cache else Path(self.run.root) / "cache"

    def reseeded(self, seed: int) -> Experiment:
        """The same experiment under another seed, 0 to 2³¹ − 1."""
        return self.model_copy(update={"run": self.run.model_copy(update={"seed": seed})})

    def without_paths(self) -> Experiment:
        """The experiment as it may be shown to others: folders of this machine carry names."""

        def name(path: str | None) -> str | None:
            return None if path is None else Path(path).name

        data = {"cohort": name(self.data.cohort), "cache": None}
        protocol = {"protocol": name(self.evaluation.protocol)}
        return self.model_copy(
            update={
                "run": self.run.model_copy(update={"root": RunConfig().root}),
                "data": self.data.model_copy(update=data),
                "evaluation": self.evaluation.model_copy(update=protocol),
            }
        )

    def to_yaml(self) -> str:
        """The resolved experiment as YAML that :func:`load_experiment` reads back unchanged."""
        values = self.model_dump(mode="json")
        return yaml.dump(values, Dumper=_PlainDumper, sort_keys=False, allow_unicode=True)


def load_experiment(arguments: Sequence[str] = ()) -> Experiment:
    """Build the experiment from YAML files and ``section.key=value`` overrides, left to right.

    Args:
        arguments: Each a path ending in ``.yaml`` or ``.yml``, or an override with or without two
            leading dashes. ``--section.key value`` (two arguments) is understood as well.

    Raises:
        ConfigError: A file that cannot be read, an unknown key (the nearest is suggested), or a
            value outside its range. All problems are listed at once.
    """
    merged: dict[str, Any] = {}
    pending = list(arguments)
    while pending:
        argument = pending.pop(0)
        text = argument.removeprefix("--")
        key, equals, value = text.partition("=")
        if equals and not key.endswith((".yaml", ".yml")):
            layer = _override(key, value, merged)
        elif text.endswith((".yaml", ".yml")) and not argument.startswith("--"):
            layer = read_yaml(Path(argument))
        elif argument.startswith("--") and "." in text and pending:
            layer = _override(text, pending.pop(0), merged)
        else:
            raise ConfigError(
                f"{argument!r} is neither a .yaml file nor an override",
                remedy="write section.key=value, for example training.max_epochs=5",
            )
        merged = _merge(merged, layer, Experiment)
    return parse_experiment(merged)


def parse_experiment(values: Mapping[str, Any]) -> Experiment:
    """Validate nested plain values as an experiment.

    Raises:
        ConfigError: Any unknown key or invalid value, all of them listed.
    """
    problems: list[str] = []
    _find_unknown_keys(values, Experiment, "", problems)
    if not problems:
        try:
            return Experiment.model_validate(_state_kinds(values, Experiment))
        except ValidationError as error:
            problems = [_describe(detail) for detail in error.errors()]
    raise ConfigError(
        "the configuration does not describe an experiment\n"
        + "\n".join(f"- {problem}" for problem in problems),
        remedy="correct the keys above; every key and its default is in pcrnet/config.py",
    )


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping: plain data only, duplicate keys refused, ``3e-4`` a number.

    Raises:
        ConfigError: The file is missing, is not YAML, or is not a mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"cannot be read ({type(error).__name__})",
            file=path,
            remedy="give the path of a YAML file; the shipped ones are in configs/",
        ) from error
    try:
        value = _parse_yaml(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"is not plain YAML: {error}", file=path) from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigError("must hold a mapping of sections at its top level", file=path)
    return value


class _PlainLoader(yaml.SafeLoader):
    """SafeLoader with the numbers and booleans of YAML 1.2 and without duplicate keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} appears twice", node.start_mark
                )
        return super().construct_mapping(node, deep)


# YAML 1.1 reads 3e-4 as text, `no` (a site, say) as false and 2025-06-01 (a run) as a date.
_PlainLoader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in resolvers
        if not tag.endswith((":float", ":bool", ":timestamp"))
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_PlainLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"^[-+]?(?:(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+"
        r"|\.(?:inf|Inf|INF))$|^\.(?:nan|NaN|NAN)$"
    ),
    list("-+.0123456789"),
)
_PlainLoader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)


class _PlainDumper(yaml.SafeDumper):
    """SafeDumper that quotes text which the loader, or one of YAML 1.1, would not read as text."""


_PlainDumper.yaml_implicit_resolvers = {
    first: yaml.SafeDumper.yaml_implicit_resolvers.get(first, [])
    + _PlainLoader.yaml_implicit_resolvers.get(first, [])
    for first in yaml.SafeDumper.yaml_implicit_resolvers | _PlainLoader.yaml_implicit_resolvers
}


def _parse_yaml(text: str) -> Any:  # noqa: ANN401 - YAML has no narrower type
    """Read plain YAML; whatever is wrong with it is a ``yaml.YAMLError``."""
    try:
        return yaml.load(text, Loader=_PlainLoader)  # noqa: S506 - a SafeLoader, only stricter
    except (ValueError, KeyError, AttributeError) as error:
        # What PyYAML's own constructors raise on scalars such as `0x_` or `!!bool x`.
        raise yaml.YAMLError(f"a value does not fit its type ({error})") from error


def _override(key: str, value: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """One override as a layer over ``values``; an entry of a free mapping joins the others."""
    parts = key.split(".")
    if not all(parts):
        raise ConfigError(f"{key!r} is not a dotted key", remedy="write section.key=value")
    try:
        parsed = _parse_yaml(value)
    except yaml.YAMLError as error:
        raise ConfigError(f"the value {value!r} is not plain YAML", field=key) from error
    for depth in reversed(range(len(parts))):
        parsed = _free_mapping(values, parts[:depth]) | {parts[depth]: parsed}
    return {str(name): item for name, item in parsed.items()}


def _free_mapping(values: Mapping[str, Any], parts: Sequence[str]) -> dict[str, Any]:
    """The mapping at ``parts`` as it stands if it is a free one (``data.branches``), else none."""
    default: object = Experiment()
    stated: object = values
    for part in parts:
        default = getattr(default, part, None)
        stated = stated.get(part) if isinstance(stated, Mapping) else None
    if not isinstance(default, dict):
        return {}
    return dict(stated) if isinstance(stated, Mapping) else dict(default)


def _merge(base: Mapping[str, Any], layer: Mapping[str, Any], schema: object) -> dict[str, Any]:
    """Lay ``layer`` over ``base``: sections key by key, everything else whole.

    A layer that changes a section's ``kind`` replaces the section: the keys of another kind would
    make no sense there. Free mappings such as ``data.branches`` are replaced, not mixed, when they
    are given whole.
    """
    result = dict(base)
    for key, value in layer.items():
        below = _field_schema(schema, key, base.get(key), value)
        old = result.get(key)
        if isinstance(value, Mapping) and isinstance(old, Mapping) and below is not None:
            changed = "kind" in value and value["kind"] != _kind_of(schema, key, old)
            result[key] = dict(value) if changed else _merge(old, value, below)
        else:
            result[key] = value
    return result


def _kind_of(schema: object, key: str, value: Mapping[str, Any]) -> object:
    """The kind of a section, which is its default's where it is not stated."""
    if "kind" in value:
        return value["kind"]
    field = _fields(schema).get(key)
    return getattr(field.default, "kind", None) if field is not None else None


def _state_kinds(values: Mapping[str, Any], schema: type[Section]) -> dict[str, Any]:
    """Write out the default ``kind`` of sections that leave it unsaid."""
    result = dict(values)
    for key, value in values.items():
        below = _field_schema(schema, key, value)
        if below is not None and isinstance(value, Mapping):
            kind = _kind_of(schema, key, value)
            result[key] = ({"kind": kind} if kind else {}) | _state_kinds(value, below)
    return result


def _fields(schema: object) -> dict[str, Any]:
    return schema.model_fields if isinstance(schema, type) and issubclass(schema, Section) else {}


def _members(annotation: object) -> list[type[Section]]:
    """The section classes that an annotation admits."""
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    options = (
        get_args(annotation)
        if get_origin(annotation) in (Union, types.UnionType)
        else (annotation,)
    )
    return [
        option for option in options if isinstance(option, type) and issubclass(option, Section)
    ]


def _field_schema(schema: object, key: str, *values: object) -> type[Section] | None:
    """The section class at ``key``, chosen by ``kind`` where several are possible."""
    field = _fields(schema).get(key)
    if field is None:
        return None
    options = _members(field.annotation)
    if not options:
        return None
    for value in reversed(values):
        if isinstance(value, Mapping) and "kind" in value:
            for option in options:
                if value["kind"] in get_args(option.model_fields["kind"].annotation):
                    return option
    return type(field.default) if isinstance(field.default, Section) else options[0]


def _find_unknown_keys(
    values: Mapping[str, Any], schema: type[Section], prefix: str, problems: list[str]
) -> None:
    for key, value in values.items():
        path = f"{prefix}{key}"
        if key not in schema.model_fields:
            problems.append(f"unknown key {path}{_suggest(str(key), prefix, schema)}")
            continue
        below = _field_schema(schema, key, value)
        if below is not None and isinstance(value, Mapping):
            _find_unknown_keys(value, below, f"{path}.", problems)


def _all_keys(schema: type[Section], prefix: str = "") -> list[str]:
    keys: list[str] = []
    for name, field in schema.model_fields.items():
        keys.append(f"{prefix}{name}")
        for member in _members(field.annotation):
            keys += _all_keys(member, f"{prefix}{name}.")
    return keys


def _suggest(key: str, prefix: str, schema: type[Section]) -> str:
    near = difflib.get_close_matches(key, list(schema.model_fields), n=1, cutoff=0.5)
    if near:
        return f"; did you mean {prefix}{near[0]}?"
    elsewhere = [path for path in _all_keys(Experiment) if path.rsplit(".", 1)[-1] == key]
    if elsewhere:
        return f"; did you mean {elsewhere[0]}?"
    known = _all_keys(Experiment)
    near = difflib.get_close_matches(f"{prefix}{key}", known, n=1, cutoff=0.4)
    return (
        f"; did you mean {near[0]}?" if near else f"; known here: {', '.join(schema.model_fields)}"
    )


def _describe(detail: Mapping[str, Any]) -> str:
    # The tags of discriminated unions are part of pydantic's location but no part of the key.
    known = set(_all_keys(Experiment))
    parts: list[str] = []
    for part in detail["loc"]:
        here = ".".join(parts)
        tag = f"{here}.{part}" not in known and here in known and _is_kind(here, str(part))
        if not tag:
            parts.append(str(part))
    found = detail.get("input")
    shown = f", found {found!r}" if isinstance(found, str | int | float | bool | list) else ""
    if isinstance(found, float) and math.isnan(found):
        shown = ", found nan"
    return f"{'.'.join(parts)}: {detail['msg']}{shown}"


def _is_kind(path: str, part: str) -> bool:
    schema: type[Section] = Experiment
    options: list[type[Section]] = []
    for step in path.split("."):
        field = schema.model_fields.get(step)
        options = _members(field.annotation) if field is not None else []
        if not options:
            return False
        schema = options[0]
    return any(
        "kind" in option.model_fields and part in get_args(option.model_fields["kind"].annotation)
        for option in options
    )
