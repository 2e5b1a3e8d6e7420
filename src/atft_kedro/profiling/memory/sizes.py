"""The sizes of a panel and its graphs, measured or assumed."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Self

from ...graph.neighbours import GraphParams
from ...panel.blocks import STOCKS_MULTIPLE, BlockReader, no_graphs
from ...panel.split import Split, SplitParams
from ...panel.store import Panel, PanelMetadata
from ...schema import EDGE_ATTRIBUTES


@dataclass(frozen=True)
class PanelSizes:
    """The sizes that determine the memory of a training, apart from its parameters."""

    metadata: PanelMetadata
    rows: int  # observations
    read_rows: int  # of these, the ones up to the last validation day, which a training reads
    active: int  # stocks of the fullest block
    graphs: int
    neighbours: int
    validation_days: int
    attributes: int = len(EDGE_ATTRIBUTES)

    @classmethod
    def measure(cls, panel: Panel, split: Split, graph: GraphParams, days_per_block: int) -> Self:
        """Measure a panel; the graphs are those that ``graph`` will build for it."""
        validation = split.indices_of("validation", panel.days)
        return cls(
            metadata=panel.metadata,
            rows=len(panel.features) - 1,
            read_rows=int((panel.row_of[: validation[-1] + 1] >= 0).sum()),
            active=BlockReader(panel, no_graphs(panel), 1, days_per_block).stocks,
            graphs=-(-len(panel.days) // graph.refresh_days),
            neighbours=graph.neighbours,
            validation_days=len(validation),
        )

    @classmethod
    def assume(cls, metadata: PanelMetadata, split: SplitParams, graph: GraphParams) -> Self:
        """Assume that every stock trades on every day."""
        days, stocks = len(metadata.days), len(metadata.codes)
        validation = max(round(days * split.validation), 1)
        return cls(
            metadata=metadata,
            rows=days * stocks,
            read_rows=stocks * (round(days * split.train) + validation),
            active=-(-stocks // STOCKS_MULTIPLE) * STOCKS_MULTIPLE,
            graphs=-(-days // graph.refresh_days),
            neighbours=graph.neighbours,
            validation_days=validation,
        )

    def keep_horizons(self, horizons: tuple[int, ...] | None) -> Self:
        """Keep only the targets of these horizons; None keeps all."""
        if horizons is None:
            return self
        return replace(self, metadata=self.metadata.model_copy(update={"horizons": horizons}))

    def count_bytes(self, rows: int) -> int:
        """Count the bytes of the panel's files if it had so many rows."""
        days, stocks, features = len(self.metadata.days), len(self.metadata.codes), len(self.metadata.features)
        per_row = 2 * features + 4 * len(self.metadata.horizons)  # features in 16 bits, targets in 32
        per_cell = 4 + 1  # row number and eligibility of a day and stock
        return rows * per_row + days * stocks * per_cell + days * 4 * 2 * features


def make_metadata(features: int, stocks: int, days: int, horizons: tuple[int, ...]) -> PanelMetadata:
    """Make the metadata of an assumed panel."""
    return PanelMetadata(
        days=tuple(date(2000, 1, 1) + timedelta(days=index) for index in range(days)),
        codes=tuple(f"S{index}" for index in range(stocks)),
        sectors=(((date(2000, 1, 1), "one for all"),),) * stocks,
        features=tuple(f"f{index}" for index in range(features)),
        feature_hash="assumed",
        horizons=horizons,
        entry_lag=0,
    )
