"""A new run is compared after its export; a refit is promoted before it is registered."""

from atft_kedro.pipeline_registry import register_pipelines


def test_a_new_run_is_compared_and_a_refit_is_promoted() -> None:
    registered = register_pipelines()
    retrain, refit = ([node.short_name for node in registered[name].nodes] for name in ("retrain", "refit"))

    assert retrain.index("apply_gate") > retrain.index("propose_candidate")
    assert {"propose_candidate", "fit_corrections", "apply_gate", "forecast_splits"}.isdisjoint(refit)
    assert refit.index("export_model") < refit.index("promote_refit") < refit.index("prepare_registration")
