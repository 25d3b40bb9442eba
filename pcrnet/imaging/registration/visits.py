"""How the visits of one patient lie against the first, as the configuration asks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from pcrnet.config.imaging import AlignmentConfig, NoAlignment, RigidAlignment
from pcrnet.errors import RegistrationError
from pcrnet.imaging.registration.rigid import Alignment, left_as_it_came, register
from pcrnet.imaging.units import ADC_UNIT, registration_rank
from pcrnet.imaging.volume import Posture, Volume

_BOTH_POSTURES: frozenset[Posture | None] = frozenset({"prone", "supine"})


def require_engine(alignment: AlignmentConfig) -> None:
    """Find out before any scan is read whether visits can be registered as asked.

    Raises:
        ConfigError: The engine is not installed.
    """
    if isinstance(alignment, RigidAlignment) and alignment.engine == "greedy":
        from pcrnet.imaging.registration.engine_greedy import load_greedy

        load_greedy()


def align_visits(
    volumes: Mapping[str, Mapping[str, Volume]],
    alignment: AlignmentConfig,
    lesion: Volume | None = None,
) -> dict[str, Alignment]:
    """Register each later visit to the first, if asked to.

    The scans of one visit share one frame of reference, so that one of them speaks for all.

    Args:
        volumes: Timepoint to channel to volume, in order of time, visits with scans only.
        alignment: Whether to register, what to believe, and what to do where it is not.
        lesion: Label image in the frame of the first visit, left out of what is compared.

    Returns:
        Timepoint to alignment; the first visit and those that are left as they came are absent.

    Raises:
        RegistrationError: A visit without a channel in common with the first but ADC, one that is
            known to be prone where the first is supine, or one whose registration is refused; the
            column is named.
    """
    if isinstance(alignment, NoAlignment) or not volumes:
        return {}
    first, *later = volumes
    alignments = {}
    for timepoint in later:
        try:
            alignments[timepoint] = _align_visit(
                volumes[first], volumes[timepoint], (first, timepoint), alignment, lesion
            )
        except RegistrationError as error:
            if alignment.on_failure == "refuse":
                raise
            alignments[timepoint] = left_as_it_came(error.problem)
    return alignments


def transform_of(alignments: Mapping[str, Alignment], timepoint: str | None) -> NDArray[np.float64]:
    """Rigid (4, 4) from millimetres of the first visit to those of a visit; there the identity."""
    if timepoint is None or timepoint not in alignments:
        return np.eye(4)
    return alignments[timepoint].transform


def _align_visit(
    first: Mapping[str, Volume],
    later: Mapping[str, Volume],
    names: tuple[str, str],
    alignment: RigidAlignment,
    lesion: Volume | None,
) -> Alignment:
    name, timepoint = names
    channel = common_channel(first, later)
    if channel is None:
        raise RegistrationError(
            f"no channel in common with {name}, so that nothing can be registered",
            field=timepoint,
            remedy="add such a scan, or set imaging.alignment.kind: none",
        )
    fixed, moving = first[channel], later[channel]
    if fixed.unit == ADC_UNIT:
        raise RegistrationError(
            f"only ADC is common with {name}: whether two ADC maps were registered rightly "
            "cannot be told from them",
            field=f"{timepoint}.{channel}",
            remedy="add a scan of the same kind to both visits, such as dce_pre, t2 or pet, or "
            "set imaging.alignment.kind: none if they lie alike already",
        )
    if not alignment.allow_prone_supine and {fixed.posture, moving.posture} == _BOTH_POSTURES:
        raise RegistrationError(
            f"the patient lay {moving.posture} in this visit and {fixed.posture} in {name}",
            field=f"{timepoint}.{channel}",
            remedy="leave the visit out, or set imaging.alignment.allow_prone_supine: true",
        )
    try:
        return register(fixed, moving, alignment, lesion)
    except RegistrationError as error:
        raise error.located(field=f"{timepoint}.{channel}") from None


def common_channel(first: Mapping[str, Volume], later: Mapping[str, Volume]) -> str | None:
    """The channel that both visits have and that registers best: MR anatomy, then PET, then ADC."""
    common = [channel for channel in first if channel in later]
    return min(common, key=lambda channel: registration_rank(first[channel].unit), default=None)
