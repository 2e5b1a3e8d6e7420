"""Effects that a simulated market plants are found, and only over the real graph."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from atft_kedro import metrics
from atft_kedro.evaluation.oracle import align_oracle, measure_oracle_share
from atft_kedro.features.build import FeatureParams
from atft_kedro.graph.neighbours import GraphParams
from atft_kedro.graph.panel_indices import index_graphs
from atft_kedro.market.simulated_drivers import MarketParams, Strengths
from atft_kedro.market.simulation import simulate_market
from atft_kedro.network.params import NetworkParams
from atft_kedro.panel.split import SplitParams, split_days
from atft_kedro.training.data import TrainingData, choose_horizons
from atft_kedro.training.distributed import TrainingProcesses
from atft_kedro.training.forecasting import TrainedNetwork, forecast_days
from atft_kedro.training.params import TrainingParams
from atft_kedro.training.run import make_trainer
from factories.datasets import make_graphs, make_ml_dataset, make_panel
from factories.params import make_params

pytestmark = pytest.mark.slow
LOOKBACK = 14
SMALL = make_params(
    NetworkParams,
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


def make_training_data(strengths: Strengths, folder: Path, kind: str = "correlation") -> tuple[TrainingData, Tensor]:
    market = simulate_market(make_params(MarketParams, stocks=80, days=560, seed=3, strengths=strengths))
    dataset = make_ml_dataset(market.prices, make_params(FeatureParams))
    panel = make_panel(dataset, folder / f"panel_{kind}")
    graphs = make_graphs(dataset, make_params(GraphParams, **{"kind": kind, "neighbours": 6}))
    training_data = TrainingData(
        panel,
        index_graphs(graphs.lazy(), panel),
        split_days(panel.days, make_params(SplitParams, embargo_days=0), 20),
    )
    return training_data, align_oracle(market.oracle, training_data, 1)


def train(training_data: TrainingData, modules: list[str], seed: int) -> Tensor:
    """Train on next-day returns, and return the IC of each test day."""
    phase = {"name": "all", "epochs": 7, "learning_rate": 8e-3, "modules": modules, "horizon_weights": [1, 0, 0, 0]}
    params = {"phases": [phase | {"augment": {"feature_noise": 0.5}}], "seed": seed, "ema_decay": 0.98}
    training = make_params(TrainingParams, **params)
    trainer = make_trainer(training_data, SMALL, training, TrainingProcesses())
    trainer.fit()
    loader = training_data.loader("test", LOOKBACK, training.days_per_block)
    forecasts = forecast_days(trainer.ema, loader.reader, loader.sampler.chronological(), frozenset(modules))  # type: ignore[arg-type]
    return metrics.daily_ic(trainer.network.point_forecast(forecasts.quantiles)[..., 0], forecasts.targets[..., 0])


def t_value(daily: Tensor) -> float:
    known = daily[daily.isfinite()]
    return float(known.mean() / known.std() * len(known) ** 0.5)


@pytest.mark.long
def test_spill_over_is_found_along_the_real_graph_and_no_other(tmp_path: Path) -> None:
    real, _ = make_training_data(SPILLING, tmp_path)
    random, _ = make_training_data(SPILLING, tmp_path, kind="random")

    with_graph, alone, over_random_graph = (
        torch.stack([train(training_data, modules, seed) for seed in (1, 2)]).mean(0)
        for training_data, modules in ((real, ["gat"]), (real, []), (random, ["gat"]))
    )

    assert t_value(with_graph) > 3
    assert t_value(with_graph - alone) > 2
    assert t_value(with_graph - over_random_graph) > 2


def test_where_nothing_is_planted_nothing_is_found(tmp_path: Path) -> None:
    training_data, _ = make_training_data(STILL, tmp_path)

    daily = train(training_data, ["fan", "gat"], seed=1)

    assert abs(t_value(daily)) < 2.5


def test_an_untrained_network_agrees_little_with_the_oracle_and_the_oracle_is_found_in_its_place(
    tmp_path: Path,
) -> None:
    market = simulate_market(make_params(MarketParams, stocks=40, days=400, seed=5))
    dataset = make_ml_dataset(market.prices, make_params(FeatureParams))
    panel = make_panel(dataset, tmp_path / "panel")
    graphs = index_graphs(make_graphs(dataset, make_params(GraphParams)).lazy(), panel)
    training_data = TrainingData(panel, graphs, split_days(panel.days, make_params(SplitParams, embargo_days=0), 20))
    training = make_params(TrainingParams)
    network = make_trainer(training_data, SMALL, training, TrainingProcesses()).network
    weekly = SMALL.model_copy(update={"horizons": (5,)})
    chosen = replace(training_data, panel=choose_horizons(panel, (5,)))
    alone = TrainedNetwork(make_trainer(chosen, weekly, training, TrainingProcesses()).network, frozenset())

    shares = measure_oracle_share([TrainedNetwork(network, frozenset())] * 2, training_data, market.oracle, "test")
    (week,) = measure_oracle_share([alone], training_data, market.oracle, "test")

    day, stock = 100, 7
    expected = market.oracle.filter(date=panel.metadata.days[day], code=panel.metadata.codes[stock])["oracle_5d"].item()
    assert align_oracle(market.oracle, training_data, 5)[day, stock] == pytest.approx(expected, rel=1e-5)
    assert [share.horizon for share in shares] == [1, 5, 10, 20]
    assert abs(shares[0].agreement) < 0.3
    assert shares[0].oracle_ic.mean > 2 * (shares[0].ic.se or 0)
    assert (week.horizon, week.oracle_ic) == (5, shares[1].oracle_ic)
