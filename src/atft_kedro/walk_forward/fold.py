"""One fold of a walk: all that decides its forecasts, and the work of making them in a folder of its own."""

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

from ..evaluation.forecast_table import FORECASTS, forecast_split
from ..files import atomic_write
from ..graph.neighbours import GraphParams
from ..graph.to_panel import graphs_to_panel
from ..network.params import NetworkParams
from ..panel.build import draft_panel
from ..panel.fit_scaler import FeatureCatalogue, fit_scaler
from ..panel.index import index_observations
from ..panel.scaler import ScalerParams
from ..panel.split import SPLIT_NAMES, Split, SplitName
from ..panel.store import HEADER, Panel, open_panel
from ..panel.write import write_panel
from ..params import InputError, Params
from ..schema import CODE, DATE, GRAPH_DATE, REALISED, target_columns, target_span
from ..source_code import code_of, digest
from ..training.checkpoint import FIELDS_NOT_IN_IDENTITY
from ..training.data import TrainingData
from ..training.ensemble import load_members
from ..training.hardware import choose_device
from ..training.params import TrainingParams
from ..training.run import train_in_run
from ..training.runs import LATEST, MANIFEST, Runs, TrainedRun

PANEL, RECORD, LOG = "panel", "fold.json", "log.txt"
SAID: tuple[SplitName, ...] = ("validation", "test")

_logger = logging.getLogger(__name__)


class FoldRecord(Params):
    """What a finished fold was: its training, and how long the last try took."""

    trained: TrainedRun
    seconds: float
    size: int  # of its forecasts, in bytes


@dataclass(frozen=True)
class Recipe:
    """What every fold of a walk is made with."""

    catalogue: FeatureCatalogue
    entry_lag: int
    scaler: ScalerParams
    network: NetworkParams
    training: TrainingParams
    graph: GraphParams  # how the history's graphs were made; their edges are what counts

    def parts(self) -> list[str]:
        """Write down all that decides numbers."""
        training = self.training.model_dump_json(exclude=set(FIELDS_NOT_IN_IDENTITY))
        params = [self.scaler.model_dump_json(), self.network.model_dump_json(), training]
        versions = [np.__version__, pl.__version__, torch.__version__]
        return [*params, self.catalogue.hash, str(self.catalogue.families), str(self.entry_lag), *versions]


@dataclass(frozen=True)
class History:
    """What is known of a market, table by table."""

    dataset: pl.LazyFrame
    universe: pl.LazyFrame
    graphs: pl.LazyFrame

    def until(self, day: date) -> Self:
        """Forget every later day."""
        return type(self)(
            self.dataset.filter(pl.col(DATE) <= day),
            self.universe.filter(pl.col(DATE) <= day),
            self.graphs.filter(pl.col(GRAPH_DATE) <= day),
        )

    def digest_days(self) -> list[pl.DataFrame]:
        """Hash the content of each table day by day, whatever the order of its rows."""
        tables = ((self.dataset, DATE), (self.universe, DATE), (self.graphs, GRAPH_DATE))
        return [_digest_days(table, day) for table, day in tables]


Pauses = dict[str, tuple[date, ...]]  # of each paused stock, its last days before the pause, the newest first


@dataclass(frozen=True)
class Fold:
    """One fold: its days, and nothing that is dated later than they are."""

    split: Split
    history: History
    recipe: Recipe
    pauses: Pauses

    @classmethod
    def cut(cls, split: Split, history: History, recipe: Recipe) -> Self:
        """Leave out all that comes after the last day that the fold uses."""
        last = last_day(split)
        used = tuple(stretch for stretch in split.date_ranges if stretch.first <= last)
        pauses = _find_pauses(history.dataset, last, recipe.entry_lag)
        return cls(Split(name="fold", date_ranges=used), history.until(last), recipe, pauses)

    def known_dataset(self) -> pl.LazyFrame:
        """Remove the returns of paused stocks that end after the fold's last day.

        In the fold a paused stock looks like a delisted one, whose last returns are known.
        """
        dataset = self.history.dataset
        targets = target_columns(dataset.collect_schema())
        return dataset.with_columns(
            pl.when(pl.col(DATE) < self._unknown_since(horizon)).then(name).otherwise(None).alias(name)
            for name, horizon in targets.items()
            if self.pauses
        )

    def _unknown_since(self, horizon: int) -> pl.Expr:
        """Name the day from which on each row's stock has returns that end after the fold's last day."""
        reach = horizon + self.recipe.entry_lag
        since = {code: days[:reach][-1] for code, days in self.pauses.items()}
        return pl.col(CODE).replace_strict(since, default=date.max, return_dtype=pl.Date)


def last_day(split: Split) -> date:
    """Name the last day that a fold trains, validates or tests on."""
    return max(stretch.last for stretch in split.date_ranges if stretch.split in SPLIT_NAMES)


def _find_pauses(dataset: pl.LazyFrame, last: date, entry_lag: int) -> Pauses:
    """Find the stocks that have no row on the fold's last day and are traded again later."""
    day, reach = pl.col(DATE), target_span(dataset, entry_lag)
    paused = (day > last).any() & ~(day == last).any() & (day < last).any()
    stocks = dataset.group_by(CODE).agg(paused.alias("paused"), day.filter(day < last).top_k(reach).alias("days"))
    found = stocks.filter("paused").select(CODE, pl.col("days").list.sort(descending=True)).sort(CODE)
    return {code: tuple(days) for code, days in found.collect(engine="streaming").iter_rows()}


def name_folders(folds: Sequence[Fold], history: History) -> list[str]:
    """Name each fold's folder by its first test day and the hash of all that decides its forecasts."""
    tables = history.digest_days()
    schema, code = str(history.dataset.collect_schema()), code_of(train_fold)
    names = []
    for fold in folds:
        known = [table.filter(pl.col("day") <= last_day(fold.split))["digest"] for table in tables]
        days = [each.to_numpy().tobytes().hex() for each in known]
        made_of = digest(fold.split.model_dump_json(), schema, *days, *fold.recipe.parts(), str(fold.pauses), code)
        names.append(f"{fold.split.ranges_of('test')[0].first}-{made_of}")
    return names


def _digest_days(table: pl.LazyFrame, day: str) -> pl.DataFrame:
    rows = table.select(pl.col(day).alias("day"), pl.struct(pl.all()).hash().alias("digest"))
    return rows.group_by("day").agg(pl.col("digest").sum()).sort("day").collect(engine="streaming")


def read_record(folder: Path) -> FoldRecord | None:
    """Read what a fold left; None where it has not finished, or where its forecasts are gone or cut off."""
    path, forecasts = folder / RECORD, folder / FORECASTS
    if not path.exists() or not forecasts.exists():
        return None
    record = FoldRecord.model_validate_json(path.read_text())
    return record if forecasts.stat().st_size == record.size else None


def train_fold(fold: Fold, runs: Runs, threads: int) -> None:
    """Scale, lay out, train and forecast a fold in its folder, ``runs``, going on where an earlier try ended.

    The panel stays until the fold is finished; it is scaled by the fold's own train days.
    """
    torch.set_num_threads(threads)
    started = time.monotonic()
    folder, recipe = runs.folder, fold.recipe
    with runs.alone(folder):
        panel = _lay_out(fold, folder / PANEL)
        training_data = TrainingData(panel, graphs_to_panel(fold.history.graphs, panel), fold.split, recipe.graph)
        _require_as_named(fold, folder)
        training_data = training_data.to(choose_device(recipe.training.device))
        begun = LATEST if (folder / LATEST / MANIFEST).exists() else None
        training = recipe.training.model_copy(update={"resume": begun})
        trained = train_in_run(training_data, recipe.network, training, runs)
        members = load_members(runs.find(trained.run), training_data)
        with atomic_write(folder / FORECASTS) as partial:
            said = pl.concat([forecast_split(members, training_data, part) for part in SAID])
            said.drop(REALISED).write_parquet(partial)  # the fold's panel ends before all that came
        with atomic_write(folder / RECORD) as partial:
            size = (folder / FORECASTS).stat().st_size
            record = FoldRecord(trained=trained, seconds=time.monotonic() - started, size=size)
            partial.write_text(record.model_dump_json(indent=2))
        shutil.rmtree(folder / PANEL, ignore_errors=True)


def _require_as_named(fold: Fold, folder: Path) -> None:
    """Refuse what was read from tables that another run has made anew since the walk named the fold's folder."""
    if name_folders([fold], fold.history) != [folder.name]:
        raise InputError("the tables or the code have changed since the walk began; run it again")


def _lay_out(fold: Fold, folder: Path) -> Panel:
    """Write the fold's panel, or open the one that an earlier try has left."""
    if not (folder / HEADER).exists():
        _logger.info("writing the panel")
        index = index_observations(fold.history.universe.collect())
        dataset, recipe = fold.known_dataset(), fold.recipe
        scaler = fit_scaler(dataset, index, fold.split, recipe.catalogue, recipe.scaler)
        unchecked = folder.with_name(f"{folder.name}.unchecked")
        try:
            write_panel(unchecked, draft_panel(dataset, index, scaler, recipe.entry_lag))
            _require_as_named(fold, folder.parent)
            unchecked.rename(folder)
        finally:  # a refused panel is of no use: nobody opens a folder of this name again
            shutil.rmtree(unchecked, ignore_errors=True)
    return open_panel(folder)
