"""Collected weights: they sum to one, and planted weights are found."""

import numpy as np
import pytest
import torch

from atft_kedro.network.atft import Atft
from atft_kedro.network.attention_stats import collect_attention
from atft_kedro.reporting.attention import tabulate_by_day, tabulate_frequencies, tabulate_lags
from atft_kedro.training.data import TrainingData
from factories.training import NETWORK


@pytest.fixture
def network(training_data: TrainingData) -> Atft:
    torch.manual_seed(7)
    metadata = training_data.panel.metadata
    return Atft(NETWORK, len(metadata.features), metadata.horizons, training_data.graphs.edges.shape[-1])


def collect(network: Atft, training_data: TrainingData):  # type: ignore[no-untyped-def]  # noqa: ANN201
    loader = training_data.loader("validation", NETWORK.lookback)
    return collect_attention(network, loader.reader, loader.sampler.chronological())


def test_weights_sum_to_one_and_frequencies_to_their_number(network: Atft, training_data: TrainingData) -> None:
    stats = collect(network, training_data)

    days = training_data.split.indices_of("validation", training_data.panel.days)
    assert torch.cat(stats.day).tolist() == days.tolist()
    assert torch.allclose(torch.cat(stats.neighbours).sum(1), torch.ones(len(days)), atol=1e-4)
    assert torch.allclose(torch.cat(stats.features).mean(1), torch.ones(len(days)), atol=1e-3)
    assert torch.allclose(stats.lags[0][0].sum(-1), torch.ones(2), atol=1e-4)
    assert all((shares.sum(-1) >= NETWORK.fan_k - 1e-5).all() for shares in stats.frequencies)


def test_a_planted_feature_and_lag_have_the_largest_weights(network: Atft, training_data: TrainingData) -> None:
    with torch.no_grad():
        network.variable_selection.to_weights.bias[11] = 4.0
        network.temporal.attentions[0].lag_bias.zero_()
        network.temporal.attentions[0].lag_bias[1, 0] = 60.0  # a steep line towards the newest step
        network.temporal.attentions[0].query.weight.zero_()
        network.temporal.attentions[0].query.bias.zero_()

    stats = collect(network, training_data)

    days = training_data.panel.days[torch.cat(stats.day).numpy()]
    features = tabulate_by_day(days, stats.features, "feature", training_data.panel.metadata.features)
    lags = tabulate_lags(stats)
    best = features.sort("weight", descending=True).head(len(days))
    assert set(best["feature"]) == {training_data.panel.metadata.features[11]}
    assert sorted(best["date"].to_list()) == sorted(days.astype("datetime64[D]").tolist())
    newest = lags.filter(head=1).sort("weight", descending=True)
    assert newest["lag"][0] == 0
    assert newest["weight"][0] > 0.9
    even = lags.filter(head=0)["weight"]
    assert even.max() - even.min() < 1e-3  # type: ignore[operator]


def test_modules_that_are_off_have_no_weights(network: Atft, training_data: TrainingData) -> None:
    loader = training_data.loader("validation", NETWORK.lookback)
    stats = collect_attention(network, loader.reader, loader.sampler.chronological(), frozenset())

    assert stats.features
    assert tabulate_by_day(np.array([]), stats.neighbours, "rank", range(3)).is_empty()
    assert tabulate_frequencies(stats, NETWORK.fan_window).is_empty()


def test_the_table_of_frequencies_names_periods(network: Atft, training_data: TrainingData) -> None:
    table = tabulate_frequencies(collect(network, training_data), NETWORK.fan_window)

    assert table.filter(channel=0)["period"].to_list() == [None, 4.0, 2.0]
    assert table["share"].is_between(0, 1).all()
