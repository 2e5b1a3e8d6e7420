"""Nodes that train a network per seed, and tabulate the weights of the first one."""

from pathlib import Path

import polars as pl
import torch

from atft_kedro.live.retrain import start_from_champion
from atft_kedro.network.attention_stats import collect_attention
from atft_kedro.network.params import NetworkParams
from atft_kedro.reporting.attention import tabulate_by_day, tabulate_frequencies, tabulate_lags
from atft_kedro.training.data import TrainingData
from atft_kedro.training.forecasting import load_members
from atft_kedro.training.hardware import choose_device
from atft_kedro.training.params import TrainingParams
from atft_kedro.training.progress_bar import progress_callbacks
from atft_kedro.training.run import train_in_run
from atft_kedro.training.runs import Runs, TrainedRun
from atft_kedro.training.tracking import Tracker


def find_run(runs: Runs, trained: TrainedRun) -> Path:
    """Find the folder of the run that was trained last."""
    return runs.find(trained.run)


def tabulate_weights(
    training_data: TrainingData, run_folder: Path, device: str
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Tabulate the weights of a run's first network on the validation days.

    Four tables: by feature, by lag, by neighbour, and by frequency of the Fourier split.
    """
    training_data = training_data.to(choose_device(device))
    panel = training_data.panel
    first_member = load_members(run_folder, training_data)[0]
    network = first_member.network
    loader = training_data.loader("validation", network.params.lookback)
    stats = collect_attention(network, loader.reader, loader.sampler.chronological(), first_member.modules)
    days = panel.days[torch.cat(stats.day).numpy()]
    ranks = range(1 + training_data.graphs.neighbours.shape[-1])  # rank 0 is the stock itself
    return (
        tabulate_by_day(days, stats.features, "feature", panel.metadata.features),
        tabulate_lags(stats),
        tabulate_by_day(days, stats.neighbours, "rank", ranks),
        tabulate_frequencies(stats, network.fan.window),
    )


def fit_network(
    training_data: TrainingData, runs: Runs, tracker: Tracker, network: NetworkParams, training: TrainingParams
) -> TrainedRun:
    """Train a network per seed in a new run folder.

    ``training.resume`` continues an earlier run in its folder.
    """
    training = start_from_champion(training, runs)
    return train_in_run(training_data, network, training, runs, tracker=tracker, callbacks=progress_callbacks())
