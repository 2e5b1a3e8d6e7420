"""A pipeline of three nodes on disk, for tests of the cache."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
from kedro.io import DataCatalog
from kedro.pipeline import Node, Pipeline
from kedro_datasets.json import JSONDataset

from atft_kedro.datasets import TableDataset
from atft_kedro.params import Params
from atft_kedro.stages.ledger import (
    LEDGER,
    plan_stages,
)
from atft_kedro.stages.runner import StageSequentialRunner


class TimesParams(Params):
    by: int = 2


class TinyProject:
    """A catalog on disk and a pipeline whose nodes count their calls."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.calls, self.fail = folder, [], False
        self.meanwhile: Callable[[], object] = lambda: None  # called while add_up runs
        pl.DataFrame({"x": [1.0, 2.0]}).write_parquet(folder / "source.parquet")
        self.pipeline = Pipeline(
            [
                Node(self.multiply, ["source", "params:times"], "product", name="multiply", tags="shared"),
                Node(self.add_up, "product", "total", name="add_up"),
                Node(self.count, "source", "rows", name="count"),
            ]
        )
        self.times = TimesParams()

    def catalog(self) -> DataCatalog:
        table = {name: TableDataset(filepath=str(self.folder / f"{name}.parquet")) for name in ("source", "product")}
        text = {
            name: JSONDataset(filepath=str(self.folder / f"{name}.json")) for name in ("total", "rows", "seen", LEDGER)
        }
        catalog = DataCatalog(table | text)
        catalog["params:times"] = self.times
        return catalog

    def multiply(self, source: pl.LazyFrame, times: TimesParams) -> pl.LazyFrame:
        self.calls.append("multiply")
        return source.select(pl.col("x") * times.by)

    def add_up(self, product: pl.LazyFrame) -> float:
        self.calls.append("add_up")
        if self.fail:
            raise RuntimeError("on purpose")
        total = product.collect()["x"].sum()
        self.meanwhile()
        return total

    def count(self, source: pl.LazyFrame) -> int:
        self.calls.append("count")
        return source.collect().height

    def run(self) -> list[str]:
        self.calls = []
        StageSequentialRunner().run(self.pipeline, self.catalog())
        return sorted(self.calls)

    def stale_reasons(self) -> dict[str, tuple[str, ...]]:
        return {stage.node.name: stage.reasons for stage in plan_stages(self.pipeline, self.catalog()) if stage.reasons}


def change_source(tiny: TinyProject) -> None:
    pl.DataFrame({"x": [1.0, 5.0]}).write_parquet(tiny.folder / "source.parquet")
