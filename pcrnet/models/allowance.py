"""Building a network of which only a file says how large it is, without believing the file."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

SPARE_VALUES = 1 << 24
"""Beside the weights: buffers, and what their initialisation needs for a moment."""
_PRICE = 1 << 12
"""What a tensor costs beside its values: a million tiny layers take long, too."""
_OF_A_SHAPE = (torch.empty, torch.zeros, torch.ones, torch.rand, torch.randn, torch.full)
_OF_A_LENGTH = (torch.arange, torch.linspace, torch.eye)


class TooLargeError(Exception):
    """More was asked for than was allowed."""


class _Counted(TorchFunctionMode):
    def __init__(self, values: int) -> None:
        super().__init__()
        self.left = values

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - whatever the function returns
        kwargs = kwargs or {}
        if func in _OF_A_SHAPE:
            shape = kwargs.get("size", args)
            self.left -= math.prod(_whole_numbers(shape)) + _PRICE
        elif func in _OF_A_LENGTH:
            self.left -= max(_whole_numbers([*args, *kwargs.values()]), default=0)
        if self.left < 0:
            raise TooLargeError
        return func(*args, **kwargs)


def _whole_numbers(values: Sequence[Any]) -> list[int]:
    """The whole numbers among arguments; a shape may be given as one tuple or as many numbers."""
    flat = values[0] if values and isinstance(values[0], list | tuple) else values
    return [value for value in flat if isinstance(value, int)]


@contextmanager
def allowance(values: int) -> Iterator[None]:
    """Let the block make new tensors of about this many values in all, and :data:`SPARE_VALUES`.

    Each is counted before it is made.

    Raises:
        TooLargeError: The block asks for more.
    """
    with _Counted(values + SPARE_VALUES):
        yield
