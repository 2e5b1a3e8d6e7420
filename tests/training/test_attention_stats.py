"""Insight: weights are shares, and what is planted in a network is found by looking."""

from pathlib import Path

import numpy as np
import pytest
import torch

from atft_kedro.network.atft import Atft
from atft_kedro.reporting.attention_tables import tabulate_by_day, tabulate_frequencies, tabulate_lags
from atft_kedro.training.attention_stats import look_inside
from atft_kedro.training.distributed import Ranks
from atft_kedro.training.ensemble import open_members
from atft_kedro.training.forecasting import make_plain_scoring, score_days
from atft_kedro.training.params import TrainingParams
from atft_kedro.training.run import Material, train_in_run
from atft_kedro.training.runs import Runs
from factories.training import NETWORK, PHASES, Make


@pytest.fixture
def network(make: Make) -> Atft:
    return make().network


def look(network: Atft, material: Material):  # type: ignore[no-untyped-def]  # noqa: ANN201
    course = material.course("validation", NETWORK.lookback, TrainingParams(), Ranks())
    return look_inside(network, course.reader, course.sampler.in_order())


def test_attention_is_shared_out_and_frequencies_are_as_many_as_are_taken(network: Atft, material: Material) -> None:
    insight = look(network, material)

    days = material.split.days_of("validation", material.panel.days)
    assert torch.cat(insight.day).tolist() == days.tolist()
    assert torch.allclose(torch.cat(insight.neighbours).sum(1), torch.ones(len(days)), atol=1e-4)
    assert torch.allclose(torch.cat(insight.features).mean(1), torch.ones(len(days)), atol=1e-3)
    assert torch.allclose(insight.lags[0][0].sum(-1), torch.ones(2), atol=1e-4)
    assert all((each.sum(-1) >= NETWORK.fan_k - 1e-5).all() for each in insight.frequencies)


def test_a_feature_and_a_lag_that_a_network_looks_at_are_found(network: Atft, material: Material) -> None:
    with torch.no_grad():
        network.selection.weigh.bias[11] = 4.0
        network.temporal.attentions[0].by_lag.zero_()
        network.temporal.attentions[0].by_lag[1, 0] = 60.0  # a steep line towards the newest step
        network.temporal.attentions[0].query.weight.zero_()
        network.temporal.attentions[0].query.bias.zero_()

    insight = look(network, material)

    days = material.panel.days[torch.cat(insight.day).numpy()]
    features = tabulate_by_day(days, insight.features, "feature", material.panel.meaning.features)
    lags = tabulate_lags(insight)
    best = features.sort("weight", descending=True).head(len(days))
    assert set(best["feature"]) == {material.panel.meaning.features[11]}
    assert sorted(best["date"].to_list()) == sorted(days.astype("datetime64[D]").tolist())
    newest = lags.filter(head=1).sort("weight", descending=True)
    assert newest["lag"][0] == 0
    assert newest["weight"][0] > 0.9
    even = lags.filter(head=0)["weight"]
    assert even.max() - even.min() < 1e-3  # type: ignore[operator]


def test_parts_that_are_off_look_at_nothing(network: Atft, material: Material) -> None:
    course = material.course("validation", NETWORK.lookback, TrainingParams(), Ranks())
    insight = look_inside(network, course.reader, course.sampler.in_order(), frozenset())

    assert insight.features
    assert tabulate_by_day(np.array([]), insight.neighbours, "rank", range(3)).is_empty()
    assert tabulate_frequencies(insight, NETWORK.fan_window).is_empty()


def test_the_table_of_frequencies_names_periods(network: Atft, material: Material) -> None:
    table = tabulate_frequencies(look(network, material), NETWORK.fan_window)

    assert table.filter(channel=0)["period"].to_list() == [None, 4.0, 2.0]
    assert table["share"].is_between(0, 1).all()


def test_a_runs_networks_are_read_back_as_they_were_best(material: Material, tmp_path: Path) -> None:
    training = TrainingParams.model_validate({"phases": PHASES, "seeds": 2, "days_per_block": 16})
    runs = Runs(tmp_path, "abc", is_dirty=False)

    trained = train_in_run(material, NETWORK, training, runs)

    experts = open_members(runs.find(trained.run), material)
    assert [(member.seed, member.folder) for member in trained.members] == [(7, "seed_7"), (8, "seed_8")]
    assert trained.members[0].best_score != trained.members[1].best_score
    for member, expert in zip(trained.members, experts, strict=True):
        course = material.course("validation", NETWORK.lookback, training, Ranks())
        days, scoring = course.sampler.in_order(), make_plain_scoring(4)
        scores = score_days(expert.network, course.reader, days, expert.parts, scoring, Ranks())
        weighed = [scores[f"rank_ic_{horizon}d"] / horizon for horizon in (1, 5, 10, 20)]
        assert np.isclose(sum(weighed) / (1 + 1 / 5 + 1 / 10 + 1 / 20), member.best_score, atol=1e-6)
