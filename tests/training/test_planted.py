"""What is planted in a market is found: over the real graph and no other, and nothing where nothing is."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from atft_kedro import metrics
from atft_kedro.evaluation.oracle_share import measure_share, place_oracle
from atft_kedro.features.sets import FeatureParams
from atft_kedro.graph.neighbours import GraphParams
from atft_kedro.graph.to_panel import place_graphs
from atft_kedro.market.simulated_drivers import MarketParams, Strengths
from atft_kedro.market.simulation import simulate_market
from atft_kedro.network.sizes import NetworkParams
from atft_kedro.panel.split import SplitParams, split_days
from atft_kedro.training.distributed import Ranks
from atft_kedro.training.ensemble import Expert
from atft_kedro.training.forecasting import forecast_days
from atft_kedro.training.params import TrainingParams
from atft_kedro.training.run import Material, choose_horizons, make_trainer
from factories.datasets import make_graphs, make_ml_dataset, make_panel

pytestmark = pytest.mark.slow
LOOKBACK = 14
SMALL = NetworkParams(
    hidden_size=32,
    lookback=LOOKBACK,
    layers=1,
    fan_channels=8,
    fan_window=8,
    selection_size=8,
    dropout=0.0,
    head_dropout=0.0,
)
STILL = Strengths(reversal=0, momentum=0, spillover=0, periodic=0)
SPILLING = Strengths(reversal=0, momentum=0, spillover=0.25, periodic=0)


def make_material(strengths: Strengths, folder: Path, kind: str = "correlation") -> tuple[Material, Tensor]:
    market = simulate_market(MarketParams(stocks=80, days=560, seed=3, strengths=strengths))
    dataset = make_ml_dataset(market.prices, FeatureParams())
    panel = make_panel(dataset, folder / f"panel_{kind}")
    graphs = make_graphs(dataset, GraphParams.model_validate({"kind": kind, "neighbours": 6}))
    material = Material(
        panel, place_graphs(graphs.lazy(), panel), split_days(panel.days, SplitParams(embargo_days=0), 20)
    )
    return material, place_oracle(market.oracle, material, 1)


def train(material: Material, parts: list[str], seed: int) -> Tensor:
    """Train on next-day returns, and give the IC of each test day."""
    phase = {"name": "all", "epochs": 7, "learning_rate": 8e-3, "parts": parts, "horizon_weights": [1, 0, 0, 0]}
    params = {"phases": [phase | {"augment": {"feature_noise": 0.5}}], "seed": seed, "average": 0.98}
    training = TrainingParams.model_validate(params)
    trainer = make_trainer(material, SMALL, training, Ranks())
    trainer.fit()
    course = material.course("test", LOOKBACK, training, Ranks())
    forecasts = forecast_days(trainer.average, course.reader, course.sampler.in_order(), frozenset(parts))  # type: ignore[arg-type]
    return metrics.daily_ic(trainer.network.point(forecasts.quantiles)[..., 0], forecasts.targets[..., 0])


def t_value(daily: Tensor) -> float:
    known = daily[daily.isfinite()]
    return float(known.mean() / known.std() * len(known) ** 0.5)


@pytest.mark.long
def test_spill_over_is_found_along_the_real_graph_and_no_other(tmp_path: Path) -> None:
    real, _ = make_material(SPILLING, tmp_path)
    random, _ = make_material(SPILLING, tmp_path, kind="random")

    with_graph, alone, by_chance = (
        torch.stack([train(material, parts, seed) for seed in (1, 2)]).mean(0)
        for material, parts in ((real, ["gat"]), (real, []), (random, ["gat"]))
    )

    assert t_value(with_graph) > 3
    assert t_value(with_graph - alone) > 2
    assert t_value(with_graph - by_chance) > 2


def test_where_nothing_is_planted_nothing_is_found(tmp_path: Path) -> None:
    material, _ = make_material(STILL, tmp_path)

    daily = train(material, ["fan", "gat"], seed=1)

    assert abs(t_value(daily)) < 2.5


def test_an_untrained_network_agrees_little_with_the_oracle_and_the_oracle_is_found_in_its_place(
    tmp_path: Path,
) -> None:
    market = simulate_market(MarketParams(stocks=40, days=400, seed=5))
    dataset = make_ml_dataset(market.prices, FeatureParams())
    panel = make_panel(dataset, tmp_path / "panel")
    graphs = place_graphs(make_graphs(dataset, GraphParams()).lazy(), panel)
    material = Material(panel, graphs, split_days(panel.days, SplitParams(embargo_days=0), 20))
    training = TrainingParams()
    network = make_trainer(material, SMALL, training, Ranks()).network
    weekly = SMALL.model_copy(update={"horizons": (5,)})
    chosen = replace(material, panel=choose_horizons(panel, (5,)))
    alone = Expert(make_trainer(chosen, weekly, training, Ranks()).network, frozenset())

    shares = measure_share([Expert(network, frozenset())] * 2, material, market.oracle, "test")
    (week,) = measure_share([alone], material, market.oracle, "test")

    day, stock = 100, 7
    expected = market.oracle.filter(date=panel.meaning.days[day], code=panel.meaning.codes[stock])["oracle_5d"].item()
    assert place_oracle(market.oracle, material, 5)[day, stock] == pytest.approx(expected, rel=1e-5)
    assert [share.horizon for share in shares] == [1, 5, 10, 20]
    assert abs(shares[0].agreement) < 0.3
    assert shares[0].oracle > 2 * (shares[0].ic.se or 0)
    assert (week.horizon, week.oracle) == (5, shares[1].oracle)
