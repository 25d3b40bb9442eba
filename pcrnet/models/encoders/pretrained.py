"""Weights of other people's encoders: read without running anything, fitted by name and shape.

Names differ by where a network was trained: prefixes of wrappers (``module.``, ``backbone.``), a
vision transformer of timm's and MAE's against MONAI's, dense layers of torchvision's against
MONAI's. Every known way of renaming is tried, and the one that fits most weights is taken.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from pcrnet.errors import ConfigError

State = Literal["matched", "first layer", "other shape", "left random"]
_FIELD = "model.encoder.weights"
_WRAPPINGS = (
    "state_dict",
    "model_state_dict",
    "model",
    "network_weights",
    "net",
    "teacher",
    "student",
)
_FEWEST = 0.1  # of the encoder's values; a file that fits less is of another network
_MOST_LISTED = 12


@dataclass(frozen=True)
class Fitted:
    """What became of one tensor of an encoder.

    Attributes:
        name: In the encoder.
        state: Whether it was taken as it is, taken with its channels changed, found with another
            shape, or not found at all.
        values: How many it holds.
    """

    name: str
    state: State
    values: int


@dataclass(frozen=True)
class WeightTable:
    """What matched, what did not, and what was left random.

    Attributes:
        rows: Every parameter and statistic of the encoder.
        unused: Names in the file that the encoder has no use for.
    """

    rows: tuple[Fitted, ...]
    unused: tuple[str, ...]

    @property
    def taken(self) -> tuple[str, ...]:
        """Names of what comes from the file."""
        return tuple(row.name for row in self.rows if row.state in ("matched", "first layer"))

    @property
    def share(self) -> float:
        """Share of the encoder's values that come from the file."""
        taken = sum(row.values for row in self.rows if row.state in ("matched", "first layer"))
        return taken / max(1, sum(row.values for row in self.rows))

    def text(self) -> str:
        """The table in lines: a row a block, then whatever did not come from the file."""
        blocks: dict[str, Counter[State]] = {}
        for row in self.rows:
            blocks.setdefault(_block(row.name), Counter())[row.state] += 1
        width = max(len(block) for block in blocks)
        states: tuple[State, ...] = ("matched", "first layer", "other shape", "left random")
        lines = [f"{'':{width}}  {'  '.join(states)}"]
        for block, counts in blocks.items():
            cells = "  ".join(f"{counts[state] or '·':>{len(state)}}" for state in states)
            lines.append(f"{block:{width}}  {cells}")
        lines.append(f"{self.share:.1%} of the encoder's values come from the file")
        for state in ("other shape", "left random"):
            lines += _listed(state, [row.name for row in self.rows if row.state == state])
        blocks_unused = Counter(_block(name) for name in self.unused)
        lines += _listed(
            "not used of the file",
            [
                block if count == 1 else f"{block} ({count})"
                for block, count in blocks_unused.items()
            ],
        )
        return "\n".join(lines)


def _listed(title: str, names: list[str]) -> list[str]:
    if not names:
        return []
    more = f", and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
    return [f"{title}: {', '.join(names[:_MOST_LISTED])}{more}"]


def _block(name: str) -> str:
    return ".".join(name.split(".")[:2])


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a file, of any shape; nothing in it is run.

    Args:
        path: ``.safetensors``, or a state dict that torch has saved (``.pth``, ``.pt``, ``.ckpt``).

    Raises:
        ConfigError: There is no such file, it holds more than tensors and plain data, or no state
            dict.
    """
    if not path.is_file():
        raise _refused(path, "there is no such file", "check the path")
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        found: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, OSError, EOFError, ValueError, KeyError, RuntimeError) as error:
        raise _refused(
            path, f"it cannot be read ({type(error).__name__})", "fetch it again"
        ) from error
    except Exception as error:  # torch's unpickler refuses with a class of pickle's
        raise _refused(
            path,
            "it holds more than tensors and plain data, and nothing of a file is run",
            "save the state dict alone: torch.save(network.state_dict(), path)",
        ) from error
    while isinstance(found, Mapping):
        inner = next(
            (found[key] for key in _WRAPPINGS if isinstance(found.get(key), Mapping)), None
        )
        if inner is None:
            break
        found = inner
    if not isinstance(found, Mapping):
        raise _refused(path, "it holds no state dict", "save network.state_dict()")
    tensors = {str(name): value for name, value in found.items() if isinstance(value, Tensor)}
    if not tensors:
        raise _refused(path, "it holds no tensors by name", "save network.state_dict()")
    return tensors


def fit_weights(encoder: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> WeightTable:
    """Put into an encoder whatever of a file fits it.

    The first convolution may have been trained on another number of channels: its filters are
    averaged over them and spread over the encoder's, so that an image that is the same in every
    channel gives the same response.

    Args:
        encoder: Changed in place.
        tensors: From :func:`read_weights`, of any shape.
        path: The file, for the error.

    Raises:
        ConfigError: Less than a tenth of the encoder fits.
    """
    own = encoder.state_dict()
    first = next((name for name, value in own.items() if value.ndim == 5), None)
    named = max(_namings(own, tensors), key=lambda names: _fitting(own, names, tensors, first))
    rows: list[Fitted] = []
    taken: dict[str, Tensor] = {}
    for name, value in own.items():
        source = named.get(name)
        state: State = "left random"
        if source is not None:
            new = _as_shaped(tensors[source], value, first_layer=name == first)
            if new is None:
                state = "other shape"
            else:
                state = "matched" if tensors[source].shape == value.shape else "first layer"
                taken[name] = new.to(value.dtype)
        rows.append(Fitted(name, state, value.numel()))
    used = {named[name] for name in taken}
    table = WeightTable(tuple(rows), tuple(sorted(set(tensors) - used)))
    if table.share < _FEWEST:
        raise _refused(
            path,
            f"it is of another network: {len(taken)} of {len(own)} tensors fit this encoder, which "
            f"begins with {', '.join(list(own)[:3])}; the file with "
            f"{', '.join(sorted(tensors)[:3])}",
            "choose the encoder that the weights were trained in (model.encoder.kind, backbone)",
        )
    broken = next(
        (name for name, new in taken.items() if not bool(torch.isfinite(new).all())), None
    )
    if broken is not None:
        raise _refused(path, f"{broken} holds NaN or infinite values", "fetch it again")
    encoder.load_state_dict(taken, strict=False)
    return table


def _as_shaped(found: Tensor, like: Tensor, *, first_layer: bool) -> Tensor | None:
    """The tensor as the encoder has it; None where its shape is another."""
    if found.shape == like.shape:
        return found
    same_filters = found.ndim == like.ndim == 5 and (
        found.shape[0] == like.shape[0] and found.shape[2:] == like.shape[2:]
    )
    if not first_layer or not same_filters:
        return None
    channels = like.shape[1]
    return found.float().sum(dim=1, keepdim=True).expand(like.shape) / channels


def _fitting(
    own: Mapping[str, Tensor],
    named: Mapping[str, str],
    tensors: Mapping[str, Tensor],
    first: str | None,
) -> int:
    return sum(
        own[name].numel()
        for name, source in named.items()
        if _as_shaped(tensors[source], own[name], first_layer=name == first) is not None
    )


def _namings(own: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> Iterator[dict[str, str]]:
    """Every known way to call the file's tensors by the encoder's names."""
    theirs = sorted({_prefix(name, depth) for name in tensors for depth in range(4)})
    ours = sorted({_prefix(name, depth) for name in own for depth in range(3)})
    for rule in (_as_it_is, _dense_layers, _transformer):
        for their in theirs:
            called = {
                rule(name.removeprefix(their)): name for name in tensors if name.startswith(their)
            }
            for our in ours:
                yield {
                    f"{our}{name}": source
                    for name, source in called.items()
                    if f"{our}{name}" in own
                }


def _prefix(name: str, depth: int) -> str:
    parts = name.split(".")
    return "".join(f"{part}." for part in parts[: min(depth, len(parts) - 1)])


def _as_it_is(name: str) -> str:
    return name


def _dense_layers(name: str) -> str:
    """torchvision's and older names of dense blocks to MONAI's."""
    name = re.sub(r"(norm|relu|conv)\.(\d)\.", r"\1\2.", name)
    return re.sub(r"(denselayer\d+)\.(?!layers\.)", r"\1.layers.", name)


_TRANSFORMER: tuple[tuple[str, str], ...] = (
    (r"^patch_embed\.proj\.", "patch_embedding.patch_embeddings."),
    (r"^pos_embed$", "patch_embedding.position_embeddings"),
    (r"\.attn\.proj\.", ".attn.out_proj."),
    (r"\.mlp\.fc(\d)\.", r".mlp.linear\1."),
)
"""Names of timm, MAE and SimMIM to those of MONAI's ViT."""


def _transformer(name: str) -> str:
    for pattern, replacement in _TRANSFORMER:
        name = re.sub(pattern, replacement, name)
    return name


def _refused(path: Path, problem: str, remedy: str) -> ConfigError:
    return ConfigError(
        f"{path.name} gives no weights: {problem}", file=path.name, field=_FIELD, remedy=remedy
    )
