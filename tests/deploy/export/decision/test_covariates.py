"""Raw covariates become the features that the model's own encoding makes."""

import numpy as np
import torch

from pcrnet.cohort.outcome import Outcome
from pcrnet.cohort.table import Patient
from pcrnet.data.clinical import CategoricalEncoding, ClinicalEncoding, NumericEncoding
from pcrnet.deploy.export.decision.covariates import CovariateFeatures
from pcrnet.deploy.export.inputs import RawCovariate

RAW = (
    RawCovariate("grade", ("high", "low", "rare")),
    RawCovariate("unused", None),
    RawCovariate("age", None),
    RawCovariate("empty", ()),
)
ENCODING = ClinicalEncoding(
    (
        NumericEncoding("age", 52.3, 8.7),
        CategoricalEncoding("grade", ("high", "low")),
        CategoricalEncoding("empty", ()),
    )
)


def test_features_and_flags_are_those_of_the_encoding():
    encode = CovariateFeatures(ENCODING, RAW)
    for age in ("-1", "0", "61.7", None):
        for grade in ("high", "low", "rare", "unheard of", None):
            patient = Patient("P1", 2, None, {}, Outcome(), {"age": age, "grade": grade})
            numbers = np.array([[each.number(patient) for each in RAW]])
            features, present = encode(
                torch.from_numpy(np.nan_to_num(numbers)), torch.from_numpy(np.isfinite(numbers))
            )
            expected, known = ENCODING.encode(patient)
            np.testing.assert_array_equal(features[0].numpy(), expected)
            np.testing.assert_array_equal(present[0].numpy(), known)
