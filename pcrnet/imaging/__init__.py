"""From image files to tensors in true millimetres and true units."""

from pcrnet.imaging.reader import read_volume
from pcrnet.imaging.volume import Volume

__all__ = ["Volume", "read_volume"]
