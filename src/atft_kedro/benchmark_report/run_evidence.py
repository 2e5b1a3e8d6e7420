"""A run as its folder tells it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import polars as pl

from ..evaluation.compare_baselines import NETWORK
from ..evaluation.forecast_table import FORECASTS, open_table
from ..evaluation.run_scores import DAILY, read_score
from ..evaluation.score import RunScore
from ..panel.split import DateRange, Split, SplitName
from ..params import InputError
from ..schema import CODE, DATE, ENTRY_LAG, FORECASTER, HORIZON, MEMBER_PREFIX, SPLIT
from ..training.run_status import read_history, read_manifest


@dataclass(frozen=True)
class Evidence:
    """What a run's folder holds."""

    folder: Path
    manifest: Mapping[str, Any]
    score: RunScore
    history: list[dict[str, Any]]  # of epochs, each once

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read a run that was scored."""
        score = read_score(folder, is_required=True)
        assert score is not None
        if not (folder / DAILY).exists() or ENTRY_LAG not in open_table(folder / DAILY).collect_schema():
            raise InputError(
                f"Run {folder.name} has no {DAILY} of each entry; kedro atft evaluate {folder.name} makes it."
            )
        epochs = {(epoch["seed"], epoch["epochs"]): epoch for epoch in read_history(folder)}
        return cls(folder, read_manifest(folder), score, list(epochs.values()))

    @property
    def horizons(self) -> list[int]:
        """List what it forecasts, the shortest first."""
        return sorted(self.score.split["test"])

    def days(self, horizon: int, forecaster: str = NETWORK, entry_lag: int | None = None) -> pl.DataFrame:
        """Read a forecaster's test days over a horizon, in the order of time; by default at the targets' own entry."""
        lag = self.score.entry_lag if entry_lag is None else entry_lag
        mine = (pl.col(FORECASTER) == forecaster) & (pl.col(SPLIT) == "test") & (pl.col(HORIZON) == horizon)
        return open_table(self.folder / DAILY).filter(mine, pl.col(ENTRY_LAG) == lag).sort(DATE).collect()

    def networks(self) -> dict[str, str]:
        """Name each network's forecasts by its seed."""
        if self.score.seeds:
            return {seed: MEMBER_PREFIX + seed for seed in self.score.seeds}
        return {str(self.manifest["training"]["seed"]): NETWORK}

    def count_stocks(self) -> int:
        """Count the stocks that are forecast."""
        count: int = open_table(self.folder / FORECASTS).select(pl.col(CODE).n_unique()).collect().item()
        return count

    def stretch(self, role: SplitName) -> DateRange:
        """Find the days of a role, from its first to its last."""
        found = Split.model_validate(self.manifest["split"]).ranges_of(role)
        return found[0].model_copy(update={"last": found[-1].last, "days": sum(each.days for each in found)})
