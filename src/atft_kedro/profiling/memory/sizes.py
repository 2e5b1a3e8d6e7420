"""How large a panel and its graphs are: measured, or made up before there are any."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Self

from ...graph.neighbours import GraphParams
from ...panel.blocks import STOCKS_MULTIPLE, BlockReader, no_graphs
from ...panel.split import Split, SplitParams
from ...panel.store import Panel, PanelMetadata
from ...schema import EDGE_ATTRIBUTES


@dataclass(frozen=True)
class Sizes:
    """What decides how large a training is, beside its parameters."""

    metadata: PanelMetadata
    rows: int  # observations
    seen: int  # of these, how many lie on the train and validation days or before
    active: int  # stocks of the fullest block
    graphs: int
    neighbours: int
    validation_days: int
    attributes: int = len(EDGE_ATTRIBUTES)

    @classmethod
    def measure(cls, panel: Panel, split: Split, graph: GraphParams, days_per_block: int) -> Self:
        """Measure a panel; graphs are as many as will be made for it."""
        validation = split.indices_of("validation", panel.days)
        return cls(
            metadata=panel.metadata,
            rows=len(panel.features) - 1,
            seen=int((panel.row_of[: validation[-1] + 1] >= 0).sum()),
            active=BlockReader(panel, no_graphs(panel), 1, days_per_block).stocks,
            graphs=-(-len(panel.days) // graph.refresh_days),
            neighbours=graph.neighbours,
            validation_days=len(validation),
        )

    @classmethod
    def make_up(cls, metadata: PanelMetadata, split: SplitParams, graph: GraphParams) -> Self:
        """Let every stock trade on every day."""
        days, stocks = len(metadata.days), len(metadata.codes)
        validation = max(round(days * split.validation), 1)
        return cls(
            metadata=metadata,
            rows=days * stocks,
            seen=stocks * (round(days * split.train) + validation),
            active=-(-stocks // STOCKS_MULTIPLE) * STOCKS_MULTIPLE,
            graphs=-(-days // graph.refresh_days),
            neighbours=graph.neighbours,
            validation_days=validation,
        )

    def keep_horizons(self, horizons: tuple[int, ...] | None) -> Self:
        """Keep the targets of some horizons."""
        if horizons is None:
            return self
        return replace(self, metadata=self.metadata.model_copy(update={"horizons": horizons}))

    @property
    def mapped(self) -> int:
        """Count the bytes of the panel's files."""
        return self.bytes_of(self.rows)

    def bytes_of(self, rows: int) -> int:
        """Count the bytes of a panel's files, of so many rows."""
        days, stocks, features = len(self.metadata.days), len(self.metadata.codes), len(self.metadata.features)
        by_row = 2 * features + 4 * len(self.metadata.horizons)  # in 16 and 32 bits
        by_cell = 4 + 1  # its row, and whether it is in the universe
        return rows * by_row + days * stocks * by_cell + days * 4 * 2 * features


def name_panel(features: int, stocks: int, days: int, horizons: tuple[int, ...]) -> PanelMetadata:
    """Name what a panel of these sizes could hold."""
    return PanelMetadata(
        days=tuple(date(2000, 1, 1) + timedelta(days=place) for place in range(days)),
        codes=tuple(f"S{place}" for place in range(stocks)),
        sectors=(((date(2000, 1, 1), "one for all"),),) * stocks,
        features=tuple(f"f{place}" for place in range(features)),
        feature_hash="made up",
        horizons=horizons,
        entry_lag=0,
    )
