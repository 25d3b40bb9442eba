"""How the visits of one patient lie against the first, as the configuration asks."""

from __future__ import annotations

from collections.abc import Mapping

from pcrnet.config import AlignmentConfig, NoAlignment, RigidAlignment
from pcrnet.errors import RegistrationError
from pcrnet.imaging.registration import Alignment, register
from pcrnet.imaging.units import ADC_UNIT, registration_rank
from pcrnet.imaging.volume import Posture, Volume

_BOTH_POSTURES: frozenset[Posture | None] = frozenset({"prone", "supine"})


def require_engine(alignment: AlignmentConfig) -> None:
    """Find out before any scan is read whether visits can be registered as asked.

    Raises:
        ConfigError: The engine is not installed.
    """
    if isinstance(alignment, RigidAlignment) and alignment.engine == "greedy":
        from pcrnet.imaging.engine_greedy import load_greedy

        load_greedy()


def align_visits(
    volumes: Mapping[str, Mapping[str, Volume]], alignment: AlignmentConfig
) -> dict[str, Alignment]:
    """Register each later visit to the first, if asked to.

    The scans of one visit share one frame of reference, so that one of them speaks for all.

    Args:
        volumes: Timepoint to channel to volume, in order of time, visits with scans only.
        alignment: Whether to register, and what to believe.

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
        channel = common_channel(volumes[first], volumes[timepoint])
        if channel is None:
            raise RegistrationError(
                f"no channel in common with {first}, so that nothing can be registered",
                field=timepoint,
                remedy="add such a scan, or set imaging.alignment.kind: none",
            )
        fixed, moving = volumes[first][channel], volumes[timepoint][channel]
        if fixed.unit == ADC_UNIT:
            raise RegistrationError(
                f"only ADC is common with {first}: whether two ADC maps were registered rightly "
                "cannot be told from them",
                field=f"{timepoint}.{channel}",
                remedy="add a scan of the same kind to both visits, such as dce_pre, t2 or pet, or "
                "set imaging.alignment.kind: none if they lie alike already",
            )
        if not alignment.allow_prone_supine and {fixed.posture, moving.posture} == _BOTH_POSTURES:
            raise RegistrationError(
                f"the patient lay {moving.posture} in this visit and {fixed.posture} in {first}",
                field=f"{timepoint}.{channel}",
                remedy="leave the visit out, or set imaging.alignment.allow_prone_supine: true",
            )
        try:
            alignments[timepoint] = register(fixed, moving, alignment)
        except RegistrationError as error:
            raise error.located(field=f"{timepoint}.{channel}") from None
    return alignments


def common_channel(first: Mapping[str, Volume], later: Mapping[str, Volume]) -> str | None:
    """The channel that both visits have and that registers best: MR anatomy, then PET, then ADC."""
    common = [channel for channel in first if channel in later]
    return min(common, key=lambda channel: registration_rank(first[channel].unit), default=None)
