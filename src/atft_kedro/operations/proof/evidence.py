"""A run as its folder tells it, and in what it differs from another."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import polars as pl

from ...evaluation.judging import NETWORK
from ...evaluation.score import RunScore
from ...panel.split import Role, Split, Stretch
from ...params import InputError
from ...schema import ALONE, CODE, DATE, FORECASTER, HORIZON, SPLIT
from ...training.run import WATCHING
from ..judged_run import DAILY, read_score
from ..scoring import FORECASTS
from ..watch import read_history, read_manifest

MADE_OF = ("graph", "network", "training")
SPAN = "trained from"


@dataclass(frozen=True)
class Evidence:
    """What a run's folder holds."""

    folder: Path
    manifest: Mapping[str, Any]
    score: RunScore
    history: list[dict[str, Any]]

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read a run that was scored."""
        score = read_score(folder, is_asked=True)
        assert score is not None
        return cls(folder, read_manifest(folder), score, read_history(folder))

    def days(self, horizon: int, forecaster: str = NETWORK) -> pl.DataFrame:
        """Read a forecaster's test days over a horizon, in the order of time."""
        path = self.folder / DAILY
        if not path.exists():
            raise InputError(f"Run {self.folder.name} has no {DAILY}; kedro atft evaluate {self.folder.name} makes it.")
        mine = (pl.col(FORECASTER) == forecaster) & (pl.col(SPLIT) == "test") & (pl.col(HORIZON) == horizon)
        return pl.scan_parquet(path).filter(mine).sort(DATE).collect()

    def count_stocks(self) -> int:
        """Count the stocks that are forecast."""
        count: int = pl.scan_parquet(self.folder / FORECASTS).select(pl.col(CODE).n_unique()).collect().item()
        return count

    def networks(self) -> dict[str, str]:
        """Name each network's forecasts by its seed."""
        if self.score.seeds:
            return {seed: ALONE + seed for seed in self.score.seeds}
        return {str(self.manifest["training"]["seed"]): NETWORK}

    def stretch(self, role: Role) -> Stretch:
        """Find the days of a role, from its first to its last."""
        found = Split.model_validate(self.manifest["split"]).part(role)
        return found[0].model_copy(update={"last": found[-1].last, "days": sum(each.days for each in found)})

    @property
    def horizons(self) -> list[int]:
        """List what it forecasts, the shortest first."""
        return sorted(int(name[1:]) for name in self.score.split["test"])


def name_difference(one: Evidence, first: Evidence) -> str:
    """Say in what a run's recipe differs from the first one's."""
    mine, theirs = (dict(_flatten_recipe(each.manifest)) for each in (one, first))
    told = [f"{name} = {_say(mine.get(name))}" for name in sorted(mine | theirs) if mine.get(name) != theirs.get(name)]
    if (since := one.stretch("train").first) != first.stretch("train").first:
        told.insert(0, f"{SPAN} {since}")
    return ", ".join(told) or "the same again"


def _flatten_recipe(manifest: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for block in MADE_OF:
        for name, value in manifest.get(block, {}).items():
            if block != "training" or name not in WATCHING:
                yield f"{block}.{name}", value


def _say(value: Any) -> str:
    """Write a parameter in few words."""
    if isinstance(value, Mapping):
        return " + ".join(f"{each:g} {name}" for name, each in value.items() if each)
    if isinstance(value, list):
        return " and ".join(_say(each) for each in value) or "nothing"
    return "none" if value is None else str(value)
