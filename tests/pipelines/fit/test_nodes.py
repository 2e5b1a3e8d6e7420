"""Nodes of the pipeline that trains networks."""

from pathlib import Path

from atft_kedro.pipelines.fit.nodes import find_run, fit_network, tabulate_weights
from atft_kedro.training.data import TrainingData
from atft_kedro.training.params import TrainingParams
from atft_kedro.training.runs import Runs
from atft_kedro.training.tracking import NO_TRACKER
from factories.params import make_params
from factories.training import NETWORK, PHASES


def test_the_weights_of_the_first_network_are_tabulated_on_the_validation_days(
    training_data: TrainingData, tmp_path: Path
) -> None:
    runs = Runs(tmp_path, "abc", is_dirty=False)
    training = make_params(TrainingParams, phases=PHASES[1:], steps_per_phase=2)

    trained = fit_network(training_data, runs, NO_TRACKER, NETWORK, training)
    features, lags, neighbours, frequencies = tabulate_weights(training_data, find_run(runs, trained), "cpu")

    days = training_data.split.indices_of("validation", training_data.panel.days)
    assert features.columns == ["date", "feature", "weight"]
    assert features.height == len(days) * len(training_data.panel.metadata.features)
    assert sorted(neighbours["rank"].unique()) == list(range(1 + training_data.graphs.neighbours.shape[-1]))
    assert lags["head"].n_unique() == NETWORK.heads
    assert frequencies["channel"].n_unique() == NETWORK.fan_channels
