"""A panel held in memory is the one that is written."""

from pathlib import Path

import polars as pl

from atft_kedro.panel.build import plan_panel
from atft_kedro.panel.index import index_observations
from atft_kedro.panel.scaler import FeatureCatalogue, ScalerParams, fit_scaler
from atft_kedro.panel.split import SplitParams, split_days
from atft_kedro.panel.store import open_panel
from atft_kedro.panel.universe import UniverseParams, select_universe
from atft_kedro.panel.write import PanelPlan, build_panel_in_memory, write_panel
from atft_kedro.schema import feature_columns
from factories.params import make_params


def draft(frame: pl.DataFrame) -> PanelPlan:
    lazy = frame.lazy()
    index = index_observations(select_universe(lazy, make_params(UniverseParams)))
    split = split_days(index.days, make_params(SplitParams, embargo_days=0), 20)
    catalogue = FeatureCatalogue("made", dict.fromkeys(feature_columns(frame.schema), "own"))
    return plan_panel(lazy, index, fit_scaler(lazy, index, split, catalogue, make_params(ScalerParams)), entry_lag=0)


def test_a_panel_in_memory_is_bit_equal_to_the_written_one(ml_dataset: pl.DataFrame, tmp_path: Path) -> None:
    write_panel(tmp_path / "panel", draft(ml_dataset))
    written = open_panel(tmp_path / "panel")

    held = build_panel_in_memory(draft(ml_dataset))

    assert held.metadata == written.metadata
    for name in ("features", "targets", "row_of", "eligible", "market"):
        one, other = getattr(held, name), getattr(written, name)
        assert one.dtype == other.dtype
        assert one.nan_to_num(-7).equal(other.nan_to_num(-7)), name
