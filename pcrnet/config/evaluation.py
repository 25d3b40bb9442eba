"""Settings of how the network is judged: folds, calibration and operating point."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from pcrnet.config.model import Rival
from pcrnet.config.section import Distinct, Fraction, NonNegative, Positive, Section

_FEWEST_DRAWS = 200
_WORTH_OF_MODERATED = 60.0


class PrevalenceRule(Section):
    """The share of complete response: where a calibrated prediction has the largest sensitivity +
    specificity. It aims at what ``youden`` aims at, and hardly moves with the sample."""

    kind: Literal["prevalence"] = "prevalence"


class YoudenRule(Section):
    """The threshold with the largest sensitivity + specificity on the patients it is chosen on.
    Chance moves it much: with fewer than some 500 patients ``prevalence`` aims better."""

    kind: Literal["youden"] = "youden"


class SensitivityRule(Section):
    """The largest threshold that keeps at least this sensitivity for complete response."""

    kind: Literal["sensitivity"] = "sensitivity"
    target: Fraction = 0.9
    """Sensitivity to reach."""


class SpecificityRule(Section):
    """The smallest threshold that keeps at least this specificity: few residual tumours missed."""

    kind: Literal["specificity"] = "specificity"
    target: Fraction = 0.9
    """Specificity to reach."""


class NetBenefitRule(Section):
    """The decision-analytic threshold itself: operate when P(response) exceeds it."""

    kind: Literal["net_benefit"] = "net_benefit"
    threshold: Fraction = 0.8
    """Probability of response above which one acts."""


OperatingPointConfig = Annotated[
    PrevalenceRule | YoudenRule | SensitivityRule | SpecificityRule | NetBenefitRule,
    Field(discriminator="kind"),
]


class ChainCalibration(Section):
    """The shrunk chain: q = σ(a₁ℓ₁+b₁), r = σ(a₂ℓ₂+b₂), a ≥ 0, a₂ drawn toward a₁."""

    kind: Literal["chain"] = "chain"
    shrinkage: Positive = 0.25
    """Standard deviation of a₂ − a₁."""
    prior_patients: NonNegative | None = None
    """How many patients it is worth that the model's own slopes are right: each a is drawn toward
    1, the less the more patients tell otherwise. null: 60 for ridges and networks that start from
    one, whose probabilities allow for how little the fit knows, and 0 for any other model."""


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


def _enough_draws(draws: int) -> int:
    if 0 < draws < _FEWEST_DRAWS:
        raise ValueError(f"a bootstrap needs {_FEWEST_DRAWS} draws at least; 0 does without one")
    return draws


ASKED_AFTER_TRAINING = frozenset({"answers", "bootstrap_draws", "protocol", "seed"})
"""Keys of ``evaluation`` that decide no fit: a finished run may be judged again by others."""


class EvaluationConfig(Section):
    """How the network is judged. Nothing here is ever fitted on the fold that it judges."""

    folds: Annotated[int, Field(ge=3, le=20)] = 5
    """Parts of the cohort, each left out in turn."""
    group: Literal["patient", "site"] = "patient"
    """patient: folds stratified by outcome and site; site: whole sites are held out."""
    mode: Literal["nested", "crossfit"] = "nested"
    """crossfit takes the K single fits alone, is optimistic, and says so wherever it is shown."""
    repeats: Annotated[int, Field(ge=1, le=100)] = 1
    """How often the cross-validation is done, each time with other folds and other seeds. Metrics
    are averaged over repeats, predictions never; predictions.csv and the bundle are the first's."""
    calibration: CalibrationConfig = ChainCalibration()
    """What makes probabilities of the logits."""
    operating_point: OperatingPointConfig = PrevalenceRule()
    """What the thresholds are chosen for."""
    bootstrap_draws: Annotated[int, Field(ge=0), AfterValidator(_enough_draws)] = 2000
    """Draws behind each bootstrap interval, 200 at least; 0 for very many patients: curves have no
    bands then, and intervals are normal."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1
    """Start of the bootstrap."""
    variants: bool = True
    """Also judge the run without each branch and timepoint."""
    rivals: Distinct[Rival] = ("clinical", "quantitative")
    """Simpler models that are judged on the same folds, and shown beside the run's own."""
    protocol: str | None = None
    """YAML file of the trial's endpoints; null leaves the confirmatory analysis out."""
    answers: str | None = None
    """YAML file of what only the investigators know (dates, eligibility, ethics), as
    "TRIPOD 17: text", for the open items of the report's checklist."""

    def settled(self, *, moderated: bool) -> EvaluationConfig:
        """With what the calibrator leaves to the model: whether its own slopes can be believed."""
        calibration = self.calibration
        if not isinstance(calibration, ChainCalibration) or calibration.prior_patients is not None:
            return self
        worth = {"prior_patients": _WORTH_OF_MODERATED if moderated else 0.0}
        return self.model_copy(update={"calibration": calibration.model_copy(update=worth)})

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
