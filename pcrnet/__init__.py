"""pcrnet: from PET/MRI at several timepoints to calibrated probabilities of complete response."""

from pcrnet.errors import PcrnetError

__version__ = "0.1.0"

__all__ = ["PcrnetError", "__version__"]
