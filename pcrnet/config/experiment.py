"""The experiment: everything that decides the numbers of a run, in one frozen record.

Configuration is plain data. Nothing in it is imported, executed or looked up by name; a variant is
a ``kind`` that the code matches explicitly. Each option has one home: the field of its section,
whose default is the simulated trial that ``train.py`` runs when it is given nothing else.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import model_validator

from pcrnet.config.augmentation import AnyAugmentation, AugmentationConfig
from pcrnet.config.data import DataConfig, OutcomeConfig, RunConfig
from pcrnet.config.evaluation import EvaluationConfig
from pcrnet.config.imaging import ImagingConfig
from pcrnet.config.model import ModelConfig, NetworkConfig, begins_with_weights, with_weights
from pcrnet.config.plain_yaml import plain_text
from pcrnet.config.section import Section
from pcrnet.config.training import TrackingConfig, TrainingConfig


class Experiment(Section):
    """The whole experiment: everything that decides its numbers, and nothing else."""

    run: RunConfig = RunConfig()
    data: DataConfig = DataConfig()
    outcome: OutcomeConfig = OutcomeConfig()
    imaging: ImagingConfig = ImagingConfig()
    augmentation: AnyAugmentation = AugmentationConfig()
    """How training images are varied."""
    model: ModelConfig = NetworkConfig()
    """Which model is trained, judged and shipped."""
    training: TrainingConfig = TrainingConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    tracking: TrackingConfig = TrackingConfig()

    @model_validator(mode="after")
    def _check(self) -> Self:
        monitors = [name for name in self.training.callbacks if name.endswith("Monitor")]
        if monitors and not self.tracking.loggers:
            raise ValueError(
                f"training.callbacks: {monitors[0]} has nobody to tell, name one of "
                "tracking.loggers"
            )
        if self.training.freeze_epochs and not begins_with_weights(self.model):
            raise ValueError(
                "training.freeze_epochs: there is nothing to freeze, no encoder has weights"
            )
        return self

    @property
    def cache_directory(self) -> Path:
        """Folder of the preprocessed tensors, shared by all runs below the same root."""
        return Path(self.data.cache) if self.data.cache else Path(self.run.root) / "cache"

    @property
    def judging(self) -> EvaluationConfig:
        """``evaluation``, with what it leaves to the model settled."""
        return self.evaluation.settled(moderated=self.model.moderated)

    def reseeded(self, seed: int) -> Experiment:
        """The same experiment under another seed, 0 to 2³¹ − 1."""
        return self.model_copy(update={"run": self.run.model_copy(update={"seed": seed})})

    def without_paths(self) -> Experiment:
        """The experiment as it may be shown to others: folders of this machine carry names."""

        def name(path: str | None) -> str | None:
            return None if path is None else Path(path).name

        data = {"cohort": name(self.data.cohort), "cache": None}
        of_investigators = {
            "protocol": name(self.evaluation.protocol),
            "answers": name(self.evaluation.answers),
        }
        return self.model_copy(
            update={
                "run": self.run.model_copy(update={"root": RunConfig().root}),
                "data": self.data.model_copy(update=data),
                "evaluation": self.evaluation.model_copy(update=of_investigators),
                "model": with_weights(self.model, lambda path: Path(path).name),
            }
        )

    def to_yaml(self) -> str:
        """The resolved experiment as YAML that ``load_experiment`` reads back unchanged."""
        return plain_text(self.model_dump(mode="json"))
