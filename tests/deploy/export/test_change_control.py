"""The plan is filled in from the configuration, and leaves the rest to the hospital."""

from pcrnet.deploy.export.change_control import change_control_plan
from pcrnet.deploy.manifest import bundle_digest, read_manifest


def test_what_the_bundle_knows_is_filled_in(network_bundle):
    digest = bundle_digest(network_bundle)
    plan = change_control_plan(read_manifest(network_bundle), digest)
    for fact in (digest, "| yT0 | 0.5000 |", "| yN0 | none locked |", "| pet | pet | SUVbw |"):
        assert fact in plan
    assert "8 × 8 × 8 voxels of 12 × 12 × 12 mm" in plan
    assert "never for patients" in plan
    assert "⟨name⟩" in plan
    assert "{" not in plan
