"""What a server lets a client do: sizes, numbers and time."""

from __future__ import annotations

from dataclasses import dataclass

from pcrnet.errors import ConfigError


@dataclass(frozen=True)
class Limits:
    """Bounds of one request, and of all together.

    Attributes:
        upload_mb: Megabytes of a request.
        unpacked_mb: Megabytes that its archive may unpack to.
        files: Files in the archive. A study of two visits has some thousand slices.
        seconds: For the prediction of one patient, from unpacking to the answer; as many are given
            for the upload.
        waiting: Requests that may wait while every process is busy; more are sent away.
    """

    upload_mb: int = 1024
    unpacked_mb: int = 4096
    files: int = 20_000
    seconds: int = 300
    waiting: int = 16

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < (0 if name == "waiting" else 1):
                raise ConfigError(
                    f"{value} is no limit", field=f"--max-{name.replace('_', '-')}",
                    remedy="give a positive number",
                )  # fmt: skip

    @property
    def upload_bytes(self) -> int:
        """The same in bytes."""
        return self.upload_mb << 20

    @property
    def unpacked_bytes(self) -> int:
        """The same in bytes."""
        return self.unpacked_mb << 20
