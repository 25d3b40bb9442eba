"""pcrnet: from PET/MRI at several timepoints to calibrated probabilities of complete response.

``load_experiment``, ``train``, ``cross_validate``, ``evaluate``, ``load_bundle``, ``read_cohort``,
``read_volume`` and ``module_and_data`` are found when they are first asked for: importing pcrnet
imports no network.
"""

from typing import TYPE_CHECKING, Any

from pcrnet.errors import PcrnetError

if TYPE_CHECKING:
    from pcrnet.public import (
        cross_validate,
        evaluate,
        load_bundle,
        load_experiment,
        module_and_data,
        read_cohort,
        read_volume,
        train,
    )

__version__ = "0.1.0"

__all__ = [
    "PcrnetError",
    "__version__",
    "cross_validate",
    "evaluate",
    "load_bundle",
    "load_experiment",
    "module_and_data",
    "read_cohort",
    "read_volume",
    "train",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - PEP 562
    if name in __all__:
        from pcrnet import public

        return getattr(public, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
