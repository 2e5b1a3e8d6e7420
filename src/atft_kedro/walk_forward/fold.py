"""One fold of a walk: its data and parameters, and its training in a separate folder."""

import logging
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl
import torch

from ..evaluation.forecast_table import FORECASTS_FILE, forecast_one_split
from ..files import atomic_write, parse_model, read_json
from ..graph.neighbours import GraphParams
from ..graph.panel_indices import index_graphs
from ..network.params import NetworkParams
from ..panel.build import plan_panel
from ..panel.index import index_observations
from ..panel.scaler import FeatureCatalogue, ScalerParams, fit_scaler
from ..panel.split import SPLIT_NAMES, Split, SplitName
from ..panel.store import HEADER, Panel, open_panel
from ..panel.write import write_panel
from ..params import InputError, Params
from ..schema import CODE, DATE, DELISTING_DATE, GRAPH_DATE, REALISED, target_columns, target_span
from ..source_code import digest, hash_code
from ..training.checkpoint import FIELDS_NOT_IN_IDENTITY
from ..training.data import TrainingData
from ..training.forecasting import load_members
from ..training.hardware import choose_device
from ..training.params import TrainingParams
from ..training.run import train_in_run
from ..training.runs import LATEST, MANIFEST, Runs, TrainedRun

PANEL, RECORD, LOG = "panel", "fold.json", "log.txt"
FORECAST_SPLITS: tuple[SplitName, ...] = ("validation", "test")

_logger = logging.getLogger(__name__)


class FoldRecord(Params):
    """The result of a finished fold."""

    trained: TrainedRun
    seconds: float  # of the last attempt
    size: int  # bytes of the forecasts


@dataclass(frozen=True)
class FoldRecipe:
    """The parameters that all folds of a walk have in common."""

    catalogue: FeatureCatalogue
    entry_lag: int
    scaler: ScalerParams
    network: NetworkParams
    training: TrainingParams
    graph: GraphParams  # for the manifest only; the folder's name contains the hash of the edges

    def list_identity(self) -> list[str]:
        """List all parameters and library versions that decide forecasts, as strings."""
        training = self.training.model_dump_json(exclude=set(FIELDS_NOT_IN_IDENTITY))
        params = [self.scaler.model_dump_json(), self.network.model_dump_json(), training]
        versions = [np.__version__, pl.__version__, torch.__version__]
        return [*params, self.catalogue.hash, str(self.catalogue.families), str(self.entry_lag), *versions]


@dataclass(frozen=True)
class MarketTables:
    """The tables of a market that folds are cut from."""

    dataset: pl.LazyFrame
    universe: pl.LazyFrame
    graphs: pl.LazyFrame

    def up_to(self, day: date) -> Self:
        """Remove all days after a day."""
        return type(self)(
            self.dataset.filter(pl.col(DATE) <= day),
            self.universe.filter(pl.col(DATE) <= day),
            self.graphs.filter(pl.col(GRAPH_DATE) <= day),
        )

    def hash_days(self) -> list[pl.DataFrame]:
        """Hash each day of each table; the order of rows has no effect."""
        return [
            table.select(pl.col(day).alias("day"), pl.struct(pl.all()).hash().alias("digest"))
            .group_by("day")
            .agg(pl.col("digest").sum())
            .sort("day")
            .collect(engine="streaming")
            for table, day in ((self.dataset, DATE), (self.universe, DATE), (self.graphs, GRAPH_DATE))
        ]


Pauses = dict[str, tuple[date, ...]]  # last days before the pause of each paused stock, newest first


@dataclass(frozen=True)
class Fold:
    """One fold: its split, and tables without later days.

    A paused stock has no row on the fold's last day and is traded again, or has its delisting date, later.
    """

    split: Split
    tables: MarketTables
    recipe: FoldRecipe
    pauses: Pauses

    @classmethod
    def from_tables(cls, split: Split, tables: MarketTables, recipe: FoldRecipe) -> Self:
        """Cut the tables after the last day that the fold uses."""
        last = last_day(split)
        used = tuple(dates for dates in split.date_ranges if dates.first <= last)
        pauses = _find_pauses(tables.dataset, last, recipe.entry_lag)
        return cls(Split(name="fold", date_ranges=used), tables.up_to(last), recipe, pauses)

    def mask_future_targets(self) -> pl.LazyFrame:
        """Set targets of paused stocks to null where they end after the fold's last day.

        Within the fold, a paused stock looks like a delisted one, whose last targets are known, but its last targets
        contain later prices.
        """
        dataset = self.tables.dataset
        targets = target_columns(dataset.collect_schema())
        return dataset.with_columns(
            pl.when(pl.col(DATE) < self._first_unknown(horizon)).then(name).otherwise(None).alias(name)
            for name, horizon in targets.items()
            if self.pauses
        )

    def _first_unknown(self, horizon: int) -> pl.Expr:
        """Map each row's stock to the first day whose return ends after the fold's last day."""
        span = horizon + self.recipe.entry_lag
        first = {code: days[:span][-1] for code, days in self.pauses.items()}
        return pl.col(CODE).replace_strict(first, default=date.max, return_dtype=pl.Date)


def last_day(split: Split) -> date:
    """Return the last train, validation or test day."""
    return max(dates.last for dates in split.date_ranges if dates.split in SPLIT_NAMES)


def _find_pauses(dataset: pl.LazyFrame, last: date, entry_lag: int) -> Pauses:
    day, span = pl.col(DATE), target_span(dataset, entry_lag)
    is_later = [day > last]
    if DELISTING_DATE in dataset.collect_schema():
        is_later.append(pl.col(DELISTING_DATE) > last)
    is_paused = pl.any_horizontal(is_later).any() & ~(day == last).any() & (day < last).any()
    stocks = dataset.group_by(CODE).agg(is_paused.alias("paused"), day.filter(day < last).top_k(span).alias("days"))
    paused = stocks.filter("paused").select(CODE, pl.col("days").list.sort(descending=True)).sort(CODE)
    return {code: tuple(days) for code, days in paused.collect(engine="streaming").iter_rows()}


def name_folders(folds: Sequence[Fold], tables: MarketTables) -> list[str]:
    """Name each fold's folder by its first test day and a hash of its content."""
    hashed = tables.hash_days()
    schema, code = str(tables.dataset.collect_schema()), hash_code(train_fold)
    names = []
    for fold in folds:
        used = [table.filter(pl.col("day") <= last_day(fold.split))["digest"] for table in hashed]
        days = [digests.to_numpy().tobytes().hex() for digests in used]
        recipe = fold.recipe.list_identity()
        content = digest(fold.split.model_dump_json(), schema, *days, *recipe, str(fold.pauses), code)
        names.append(f"{fold.split.ranges_of('test')[0].first}-{content}")
    return names


def read_record(folder: Path) -> FoldRecord | None:
    """Read the record of a fold; None if it is unfinished or its forecasts are damaged."""
    path, forecasts = folder / RECORD, folder / FORECASTS_FILE
    if not path.exists() or not forecasts.exists():
        return None
    record = parse_model(read_json(path), FoldRecord, path)
    return record if forecasts.stat().st_size == record.size else None


def train_fold(fold: Fold, runs: Runs, threads: int) -> None:
    """Train and forecast a fold in the folder of ``runs``; resume an earlier attempt.

    The scaler is fitted on the fold's train days. The panel is removed when the fold is finished.
    """
    torch.set_num_threads(threads)
    started = time.monotonic()
    folder, recipe = runs.folder, fold.recipe
    with runs.lock(folder):
        panel = _prepare_panel(fold, folder / PANEL)
        data = TrainingData(panel, index_graphs(fold.tables.graphs, panel), fold.split, recipe.graph)
        _require_unchanged(fold, folder)
        data = data.to(choose_device(recipe.training.device))
        resume = LATEST if (folder / LATEST / MANIFEST).exists() else None
        training = recipe.training.model_copy(update={"resume": resume})
        trained = train_in_run(data, recipe.network, training, runs)
        members = load_members(runs.find(trained.run), data)
        with atomic_write(folder / FORECASTS_FILE) as partial:
            forecasts = pl.concat([forecast_one_split(members, data, split) for split in FORECAST_SPLITS])
            forecasts.drop(REALISED).write_parquet(partial)  # the fold lacks the last realised returns
        with atomic_write(folder / RECORD) as partial:
            size = (folder / FORECASTS_FILE).stat().st_size
            record = FoldRecord(trained=trained, seconds=time.monotonic() - started, size=size)
            partial.write_text(record.model_dump_json(indent=2))
        shutil.rmtree(folder / PANEL, ignore_errors=True)


def _require_unchanged(fold: Fold, folder: Path) -> None:
    """Refuse tables that another run has changed since the walk named the fold's folder."""
    if name_folders([fold], fold.tables) != [folder.name]:
        raise InputError("the tables or the code have changed since the walk started; run it again")


def _prepare_panel(fold: Fold, folder: Path) -> Panel:
    """Write the fold's panel, or open that of an earlier attempt."""
    if not (folder / HEADER).exists():
        _logger.info("writing the panel")
        index = index_observations(fold.tables.universe.collect())
        dataset, recipe = fold.mask_future_targets(), fold.recipe
        scaler = fit_scaler(dataset, index, fold.split, recipe.catalogue, recipe.scaler)
        unchecked = folder.with_name(f"{folder.name}.unchecked")
        try:
            write_panel(unchecked, plan_panel(dataset, index, scaler, recipe.entry_lag))
            _require_unchanged(fold, folder.parent)
            unchecked.rename(folder)
        finally:
            shutil.rmtree(unchecked, ignore_errors=True)
    return open_panel(folder)
