"""Networks as a model: a start that is a model of its own, and what networks add to it.

The logits are those of the start (the quantitative model, or the frequencies of the outcome) plus
the mean of several networks, times one factor a logit. Every network begins at zero and learns what
the start leaves unexplained in patients on whom the start's coefficients were not fitted (its
penalties and its scaling were). What a network corrects is kept by factors that are chosen on
patients whom neither it nor its start has seen in any way. Where the networks add nothing beyond
chance the factors are 0, the model is its start, and no network is kept. With one network nobody is
left out to choose factors on, and with the frequencies for a start there is no model to fall back
on: then they are 1.

Shapes: n patients, 3 logits, T timepoints, C channels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from pcrnet.cohort.table import Patient, allowed_cells
from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ImagingConfig
from pcrnet.data.clinical import ClinicalEncoding
from pcrnet.data.dataset import PatientDataset, TensorSource
from pcrnet.data.seeds import derive_seed
from pcrnet.errors import IntegrityError
from pcrnet.models.allowance import TooLargeError, allowance
from pcrnet.models.contract import FitPart, FitRequest, FittedModel, Logits, Needs, Shown
from pcrnet.models.frequencies import Frequencies
from pcrnet.models.network_record import START_FOLDER, NetworkRecord, read_start
from pcrnet.models.rivals.tabular import TabularModel, without
from pcrnet.models.shrinkage import choose_factors, is_promising
from pcrnet.storage import write_bytes

_REMEDY = "restore the file from where it was written"
_CROSSFIT_FOLDS = 5
_BATCH = 8

Build = Callable[[ClinicalEncoding], nn.Module]
"""An untrained network for patients whose covariates are encoded so."""


@dataclass(frozen=True, eq=False)
class NetworkModel:
    """Networks with what they start from.

    Attributes:
        start: The model whose logits the networks correct.
        networks: Each trained on other patients of the fit; none where they add nothing.
        encoding: Clinical encoding of each network.
        factors: (3,) in [0, 1], one a logit.
        tried: Number of networks that were trained, kept or not.
        pretrained: Branch to the digest of the file that its encoder began with, and how much of
            the encoder came from it.
    """

    start: FittedModel
    networks: tuple[nn.Module, ...]
    encodings: tuple[ClinicalEncoding, ...]
    factors: NDArray[np.float64]
    tried: int = 0
    pretrained: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def fit(
        cls,
        request: FitRequest,
        build: Build,
        *,
        networks: int,
        corrects: bool,
        promise: float,
    ) -> NetworkModel:
        """Fit the start, the networks on parts of the patients, and the factors on what is left.

        Args:
            request: The patients and the training loop.
            build: Makes an untrained network from torch's global generator.
            networks: How many; each leaves out a part of the patients, who choose the factors.
                With one, nobody is left out and the factors are 1.
            corrects: Whether the start is the quantitative model, else the frequencies.
            promise: Standard errors that the gain of the networks so far must be on its way to, or
                no other is trained and none is kept; 0 trains all. Of frequencies all are trained.
        """
        if networks == 1:
            begun = begin(request, build, corrects=corrects)
            request.optimise(
                FitPart("network", begun.network, request.patients, begun.encoding, begun.offset)
            )
            return cls(begun.start, (begun.network,), (begun.encoding,), np.ones(3), tried=1)
        start = _fit_start(request, corrects)
        parts, allowed = _parts(request, networks), allowed_cells(request.patients)
        trained: list[nn.Module] = []
        encodings: list[ClinicalEncoding] = []
        started, added = np.empty((len(parts), 3)), np.empty((len(parts), 3))
        for part in range(networks):
            left = parts == part
            name = f"network-{part}"
            learning = without(request, _chosen(request.patients, ~left), name)
            own_start = _fit_start(learning, corrects)
            encoding = ClinicalEncoding.fit(learning.patients, request.covariates)
            network = _new(build, encoding, request, name)
            offset = _honest_offset(own_start, learning)
            request.optimise(FitPart(name, network, learning.patients, encoding, offset))
            others = _chosen(request.patients, left)
            started[left] = own_start.logits(others, request.source)
            added[left] = network_logits(
                network, encoding, others, request.source, device=request.device
            )
            trained.append(network)
            encodings.append(encoding)
            seen, share = parts <= part, (part + 1) / networks
            if (
                corrects
                and share < 1
                and not is_promising(started[seen], added[seen], allowed[seen], share, promise)
            ):
                return cls(start, (), (), np.zeros(3), tried=len(trained))
        factors = choose_factors(started, added, allowed) if corrects else np.ones(3)
        if not factors.any():
            return cls(start, (), (), factors, tried=networks)
        return cls(start, tuple(trained), tuple(encodings), factors, tried=networks)

    def logits(
        self,
        patients: Sequence[Patient],
        source: TensorSource,
        *,
        device: torch.device | str = "cpu",
        shown: Shown | None = None,
    ) -> Logits:
        """Logits (n, 3); see :class:`~pcrnet.models.contract.FittedModel`."""
        logits = self.start.logits(patients, source, device=device, shown=shown)
        if self.networks:
            corrections = [
                network_logits(network, encoding, patients, source, device=device, shown=shown)
                for network, encoding in zip(self.networks, self.encodings, strict=True)
            ]
            logits = logits + self.factors * np.mean(corrections, axis=0)
        return logits

    def needs(self) -> Needs:
        """The scans where networks are kept, and what the start needs."""
        start = self.start.needs()
        own = self.encodings[0].covariates if self.encodings else ()
        return Needs(bool(self.networks), start.quantities, start.covariates or own)

    def describe(self) -> Mapping[str, Any]:
        """Number of networks and weights, the factors, and the start."""
        weights = sum(value.numel() for network in self.networks for value in network.parameters())
        return {
            "networks": len(self.networks),
            "tried": self.tried,
            "weights": weights,
            "factors": [round(float(factor), 4) for factor in self.factors],
            "start": dict(self.start.describe()),
            **({"pretrained": dict(self.pretrained)} if self.pretrained else {}),
        }

    def write(self, directory: Path) -> None:
        """Write the start, and the weights of each network as plain tensors."""
        self.start.write(directory / START_FOLDER)
        for index, network in enumerate(self.networks):
            state = {
                name: value.detach().cpu().contiguous()
                for name, value in network.state_dict().items()
            }
            write_bytes(directory / _weights_file(index), save(state))
        record = NetworkRecord(self.factors, self.encodings, self.tried, self.pretrained)
        record.write(directory)

    @classmethod
    def read(
        cls,
        directory: Path,
        build: Build,
        data: DataConfig,
        imaging: ImagingConfig,
        *,
        corrects: bool,
    ) -> NetworkModel:
        """Read what :meth:`write` wrote.

        Raises:
            IntegrityError: A file is damaged, or the weights do not fit the network or are not
                finite.
        """
        start = read_start(directory, data, imaging, corrects=corrects)
        record = NetworkRecord.read(directory)
        networks = tuple(
            _read_network(directory / _weights_file(index), build, encoding)
            for index, encoding in enumerate(record.encodings)
        )
        return cls(
            start, networks, record.encodings, record.factors, record.tried, record.pretrained
        )


@dataclass(frozen=True, eq=False)
class Beginning:
    """One network before its training.

    Attributes:
        start: The model whose logits it will correct.
        network: Untrained.
        encoding: Of the covariates of its patients.
        offset: (n, 3), the start's logits of the patients it will learn from.
    """

    start: TabularModel | Frequencies
    network: nn.Module
    encoding: ClinicalEncoding
    offset: Logits


def begin(request: FitRequest, build: Build, *, corrects: bool) -> Beginning:
    """All that precedes the training of a network that learns from everybody in the request."""
    start = _fit_start(request, corrects)
    encoding = ClinicalEncoding.fit(request.patients, request.covariates)
    network = _new(build, encoding, request, "network")
    return Beginning(start, network, encoding, _honest_offset(start, request))


@torch.inference_mode()
def network_logits(
    network: nn.Module,
    encoding: ClinicalEncoding,
    patients: Sequence[Patient],
    source: TensorSource,
    *,
    device: torch.device | str = "cpu",
    shown: Shown | None = None,
) -> Logits:
    """What a network says of n patients (n, 3), in float32 arithmetic whatever training used."""
    network = network.to(device).eval()
    dataset = PatientDataset(patients, source, encoding)
    limit = None if shown is None else torch.from_numpy(np.asarray(shown))
    parts = [np.empty((0, 3))]
    for first in range(0, len(patients), _BATCH):
        batch = dataset.__getitems__(range(first, min(first + _BATCH, len(patients))))
        if limit is not None:
            batch = batch._replace(present=batch.present & limit)
        with _whole_float32():
            logits = network(*(value.to(device, non_blocking=True) for value in batch.inputs))
        parts.append(logits.double().cpu().numpy())
    return np.concatenate(parts)


@contextmanager
def _whole_float32() -> Iterator[None]:
    """Keep CUDA from rounding what it multiplies to the ten bits of TF32, as cuDNN does unasked.

    A thousandth of a logit would go, and with it the agreement of devices.
    """
    convolutions, products = torch.backends.cudnn, torch.backends.cuda.matmul
    before = convolutions.allow_tf32, products.allow_tf32
    convolutions.allow_tf32 = products.allow_tf32 = False
    try:
        yield
    finally:
        convolutions.allow_tf32, products.allow_tf32 = before


def _fit_start(request: FitRequest, corrects: bool) -> TabularModel | Frequencies:
    if corrects:
        return TabularModel.fit(request, quantities=True)
    return Frequencies.fit(request)


def _honest_offset(start: TabularModel | Frequencies, request: FitRequest) -> Logits:
    """The start's logits of its own patients, each without the patient's part of them.

    Frequencies say the same of everybody, whoever is left out: nothing of one outcome is in them
    that a network could see.
    """
    if isinstance(start, Frequencies):
        return start.logits(request.patients, request.source)
    folds = _parts(request, min(_CROSSFIT_FOLDS, len(request.patients)))
    return start.crossfit(request.patients, request.source, folds)


def _parts(request: FitRequest, parts: int) -> NDArray[np.int64]:
    """A part (n,) for each patient, each with about the same share of every known outcome."""
    generator = np.random.default_rng(derive_seed(request.seed, request.name, "parts", parts))
    allowed = allowed_cells(request.patients)
    kind = (allowed * [8, 4, 2, 1]).sum(axis=1)
    order = np.lexsort((generator.random(len(kind)), kind))
    dealt = np.empty(len(kind), dtype=np.int64)
    dealt[order] = np.arange(len(kind)) % parts
    return dealt


def _new(build: Build, encoding: ClinicalEncoding, request: FitRequest, part: str) -> nn.Module:
    torch.manual_seed(derive_seed(request.seed, request.name, part, "initialisation"))
    return build(encoding)


def _chosen(patients: Sequence[Patient], mask: NDArray[np.bool_]) -> tuple[Patient, ...]:
    return tuple(patient for patient, chosen in zip(patients, mask, strict=True) if chosen)


def _weights_file(index: int) -> str:
    return f"network-{index}.safetensors"


def _read_network(path: Path, build: Build, encoding: ClinicalEncoding) -> nn.Module:
    try:
        state = load_file(path)
        # The settings may have been altered: the weights show how large the network can be.
        with allowance(sum(value.numel() for value in state.values())):
            network = build(encoding)
        network.load_state_dict(state)
    except TooLargeError as error:
        raise IntegrityError(
            "the settings describe a larger network than its weights", file=path, remedy=_REMEDY
        ) from error
    except (SafetensorError, RuntimeError, OSError, ValueError) as error:
        raise IntegrityError(
            f"the weights cannot be loaded ({type(error).__name__})", file=path, remedy=_REMEDY
        ) from error
    broken = [name for name, value in state.items() if not bool(torch.isfinite(value).all())]
    if broken:
        raise IntegrityError(
            f"the tensor {broken[0]} holds NaN or infinite values", file=path, remedy=_REMEDY
        )
    return network.eval()
