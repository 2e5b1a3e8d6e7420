"""The sizes of a panel and its graphs: measured, or computed for a panel that does not exist."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from math import ceil
from typing import Self

from ...graph.neighbours import GraphParams
from ...panel.blocks import STOCKS_MULTIPLE, BlockReader, no_graphs
from ...panel.split import Split, SplitParams
from ...panel.store import Panel, PanelMetadata
from ...schema import EDGE_ATTRIBUTES


@dataclass(frozen=True)
class PanelSizes:
    """The sizes of panel and graphs that determine the memory of a training."""

    metadata: PanelMetadata
    rows: int  # observations
    read_rows: int  # observations up to the last validation day; a training reads only these
    block_stocks: int  # of the block with the most stocks, rounded up to STOCKS_MULTIPLE
    graphs: int  # number of graphs
    neighbours: int  # of a stock in a graph
    validation_days: int
    edge_attributes: int = len(EDGE_ATTRIBUTES)

    @classmethod
    def measure(cls, panel: Panel, split: Split, graph: GraphParams, days_per_block: int) -> Self:
        """Measure a panel; count the graphs that will be built for it with the parameters ``graph``."""
        validation = split.indices_of("validation", panel.days)
        return cls(
            metadata=panel.metadata,
            rows=len(panel.features) - 1,  # the last row is padding
            read_rows=int((panel.row_of[: validation[-1] + 1] >= 0).sum()),
            block_stocks=BlockReader(panel, no_graphs(panel), 1, days_per_block).stocks,
            graphs=ceil(len(panel.days) / graph.refresh_days),
            neighbours=graph.neighbours,
            validation_days=len(validation),
        )

    @classmethod
    def estimate(cls, metadata: PanelMetadata, split: SplitParams, graph: GraphParams) -> Self:
        """Compute the sizes of a panel in which every stock trades on every day."""
        days, stocks = len(metadata.days), len(metadata.codes)
        validation = max(round(days * split.validation), 1)
        return cls(
            metadata=metadata,
            rows=days * stocks,
            read_rows=stocks * (round(days * split.train) + validation),
            block_stocks=ceil(stocks / STOCKS_MULTIPLE) * STOCKS_MULTIPLE,
            graphs=ceil(days / graph.refresh_days),
            neighbours=graph.neighbours,
            validation_days=validation,
        )

    def keep_horizons(self, horizons: tuple[int, ...] | None) -> Self:
        """Return the sizes with the targets of these horizons only; None keeps all."""
        if horizons is None:
            return self
        return replace(self, metadata=self.metadata.model_copy(update={"horizons": horizons}))

    def count_bytes(self, rows: int) -> int:
        """Count the bytes of the panel's arrays with a number of rows."""
        days, stocks, features = len(self.metadata.days), len(self.metadata.codes), len(self.metadata.features)
        per_row = 2 * features + 4 * len(self.metadata.horizons)  # features in 16 bits, targets in 32
        per_cell = 4 + 1  # row number and eligibility of a day and stock
        market = 2 * 4 * features  # mean and deviation of each feature on a day, in 32 bits
        return rows * per_row + days * (stocks * per_cell + market)


def make_metadata(features: int, stocks: int, days: int, horizons: tuple[int, ...]) -> PanelMetadata:
    """Make the metadata of a panel that does not exist, with placeholder names."""
    return PanelMetadata(
        days=tuple(date(2000, 1, 1) + timedelta(days=index) for index in range(days)),
        codes=tuple(f"S{index}" for index in range(stocks)),
        sectors=(((date(2000, 1, 1), "sector"),),) * stocks,
        features=tuple(f"f{index}" for index in range(features)),
        feature_hash="placeholder",
        horizons=horizons,
        entry_lag=0,
    )
