"""The node that trains."""

import polars as pl
import torch

from atft_kedro.graph.neighbours import GraphParams
from atft_kedro.graph.to_panel import place_graphs
from atft_kedro.network.sizes import NetworkParams
from atft_kedro.panel.split import Split
from atft_kedro.panel.store import Panel
from atft_kedro.reporting.attention_tables import tabulate_by_day, tabulate_frequencies, tabulate_lags
from atft_kedro.training.attention_stats import look_inside
from atft_kedro.training.device import choose_device
from atft_kedro.training.distributed import Ranks
from atft_kedro.training.ensemble import open_members
from atft_kedro.training.params import TrainingParams
from atft_kedro.training.progress_bar import bars
from atft_kedro.training.run import Material, train_in_run
from atft_kedro.training.runs import Runs, TrainedRun
from atft_kedro.training.tracking import Tracker


def explain_network(
    panel: Panel, graphs: pl.LazyFrame, split: Split, runs: Runs, trained: TrainedRun, device: str
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Tell what the first network of a run looks at on the validation days."""
    material = Material(panel, place_graphs(graphs, panel), split).to(choose_device(device))
    expert = open_members(runs.find(trained.run), material)[0]
    network = expert.network
    course = material.course("validation", network.params.lookback, TrainingParams(), Ranks())
    insight = look_inside(network, course.reader, course.sampler.in_order(), expert.parts)
    days, ranks = panel.days[torch.cat(insight.day).numpy()], range(1 + material.graphs.neighbours.shape[-1])
    return (
        tabulate_by_day(days, insight.features, "feature", panel.meaning.features),
        tabulate_lags(insight),
        tabulate_by_day(days, insight.neighbours, "rank", ranks),
        tabulate_frequencies(insight, network.fan.window),
    )


def fit_network(  # noqa: PLR0913, PLR0917 — a training needs them all
    panel: Panel,
    graphs: pl.LazyFrame,
    graphs_recipe: GraphParams,
    split: Split,
    runs: Runs,
    tracker: Tracker,
    network: NetworkParams,
    training: TrainingParams,
) -> TrainedRun:
    """Train through all phases, in a run folder of its own."""
    material = Material(panel, place_graphs(graphs, panel), split, graphs_recipe)
    return train_in_run(material, network, training, runs, tracker=tracker, watchers=bars())
