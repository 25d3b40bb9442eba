"""The plan of a graph: plain data, read back equal, and refused where it is damaged."""

import json

import pytest

from pcrnet.deploy.bundle import Bundle
from pcrnet.deploy.export.spec import GraphSpec, encoding_of
from pcrnet.errors import ExportError, IntegrityError


@pytest.fixture(params=["clinical_bundle", "quantitative_bundle", "network_bundle"])
def bundle(request):
    return Bundle.read(request.getfixturevalue(request.param))


def write(path, spec, **changes):
    path.write_text(json.dumps(spec.model_dump(mode="json") | changes))
    return path


def test_a_plan_is_read_back_equal_and_asks_for_the_same_inputs(bundle, tmp_path):
    spec = GraphSpec.of(bundle)
    again = GraphSpec.read(write(tmp_path / "plan.json", spec))
    assert again.model_dump(mode="json") == spec.model_dump(mode="json")
    assert encoding_of(again.start_encoding) == encoding_of(spec.start_encoding)
    assert again.inputs().names == spec.inputs().names != ()


def test_it_holds_what_the_bundle_holds(network_bundle):
    bundle = Bundle.read(network_bundle)
    spec = GraphSpec.of(bundle)
    assert spec.operating_points == bundle.manifest.operating_points
    assert spec.quantities == tuple(each.name for each in bundle.model.start.specs)
    assert tuple(map(encoding_of, spec.encodings)) == bundle.model.encodings
    assert encoding_of(spec.start_encoding) == bundle.model.start.encoding


def test_a_damaged_plan_is_refused_by_its_field(clinical_bundle, tmp_path):
    spec = GraphSpec.of(Bundle.read(clinical_bundle))
    path = write(tmp_path / "plan.json", spec, start="a network")
    with pytest.raises(IntegrityError, match="damaged: start") as caught:
        GraphSpec.read(path)
    assert caught.value.file == str(path)
    (tmp_path / "none.json").write_text("[]")
    with pytest.raises(IntegrityError):
        GraphSpec.read(tmp_path / "none.json")


def test_a_quantity_that_this_version_does_not_measure_is_named(quantitative_bundle):
    spec = GraphSpec.of(Bundle.read(quantitative_bundle))
    other = spec.model_copy(update={"quantities": (*spec.quantities, "baseline_phlogiston")})
    with pytest.raises(ExportError, match="rests on baseline_phlogiston"):
        other.quantity_specs()


def test_a_model_that_looks_at_nothing_has_no_graph(make_bundle):
    directory = make_bundle("data.covariates=[]", "model.kind=clinical")
    with pytest.raises(ExportError, match="looks at nothing"):
        GraphSpec.of(Bundle.read(directory))
