"""Labels of a block: targets that end after their last label day are unknown."""

import math
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from atft_kedro.panel.blocks import BlockReader, find_last_label_days, no_graphs
from atft_kedro.panel.split import SplitName, SplitParams, split_days
from atft_kedro.panel.store import Panel
from atft_kedro.panel.universe import UniverseParams
from factories.datasets import make_panel
from factories.params import make_params

LOOKBACK, DAYS = 12, 8


@pytest.fixture(scope="module")
def rows(gappy_rows: pl.DataFrame) -> pl.DataFrame:
    return gappy_rows


@pytest.fixture(scope="module")
def panel(gappy_panel: Panel) -> Panel:
    return gappy_panel


def test_no_label_ends_after_its_last_label_day(panel: Panel) -> None:
    start, limit = 100, 109
    until = np.full(len(panel.days), limit)
    block = BlockReader(panel, no_graphs(panel), LOOKBACK, DAYS, until).read(np.arange(start, start + DAYS))

    seen = set()
    for d, s, p in (~block.targets.isnan()).nonzero().tolist():
        own = panel.row_of[:, block.stock[s]]
        realised = (own == own[block.day[d]] + panel.metadata.horizons[p]).nonzero()
        seen.add(int(realised[0]))
    assert max(seen) == limit


def test_labels_end_before_the_next_split_begins_even_with_gaps(panel: Panel) -> None:
    split = split_days(panel.days, make_params(SplitParams, embargo_days=0), 20)
    until = find_last_label_days(panel, split.ranges_of("train"))
    last = int(split.indices_of("train", panel.days)[-1])
    days = np.arange(last - DAYS + 1, last + 1)

    block = BlockReader(panel, no_graphs(panel), LOOKBACK, DAYS, until).read(days)
    free = BlockReader(panel, no_graphs(panel), LOOKBACK, DAYS).read(days)

    validation = int(split.indices_of("validation", panel.days)[0])
    masked = 0
    for d, s in block.is_forecast.nonzero().tolist():
        row = int(panel.row_of[block.day[d], block.stock[s]])
        own = panel.row_of[:, block.stock[s]]
        for p, horizon in enumerate(panel.metadata.horizons):
            at = (own == row + horizon).nonzero()
            lacking = row + horizon - int(own.max())  # rows beyond the stock's last one, a trading day each
            end = int(at[0]) if len(at) else int((own == own.max()).nonzero()[0]) + lacking
            late = end >= validation
            known = not free.targets[d, s, p].isnan()
            assert bool(block.targets[d, s, p].isnan()) == (late or not known)
            masked += late and known
    assert masked > 0


def disappear(rows: pl.DataFrame, code: str, last: date) -> pl.DataFrame:
    """Let a stock's rows end on a day, with a target that only the owner of the data can know: it fell by 95 %."""
    rows = rows.filter((pl.col("code") != code) | (pl.col("date") <= last))
    fell = (pl.col("code") == code) & (pl.col("date") == last)
    return rows.with_columns(
        pl.when(fell).then(-0.95).otherwise(name).alias(name) for name in ("target_1d", "target_5d")
    )


@pytest.mark.parametrize("name", ["train", "validation", "test"])
def test_the_last_return_of_a_stock_that_disappears_is_a_label(
    rows: pl.DataFrame, tmp_path: Path, name: SplitName
) -> None:
    split = split_days(rows["date"].unique().sort().to_numpy(), make_params(SplitParams, embargo_days=0), 20)
    last = split.ranges_of(name)[0].last
    code = rows.filter(date=last)["code"][0]
    shortened = make_panel(disappear(rows, code, last), tmp_path / "panel", make_params(UniverseParams, min_history=3))
    end = int(split.indices_of(name, shortened.days)[-1])
    until = find_last_label_days(shortened, split.ranges_of(name))

    def label(limit: np.ndarray) -> list[float]:
        block = BlockReader(shortened, no_graphs(shortened), LOOKBACK, 1, limit).read(np.array([end]))
        stock = block.stock.tolist().index(shortened.metadata.codes.index(code))
        return block.targets[0, stock, :2].tolist()

    assert label(until) == pytest.approx([-0.95, -0.95])
    assert label(np.full_like(until, end + 4)) == pytest.approx([-0.95, math.nan], nan_ok=True)
    assert label(np.full_like(until, end)) == pytest.approx([math.nan, math.nan], nan_ok=True)


@pytest.mark.parametrize("days", [3, 30, 3000])
def test_a_last_return_is_no_label_before_its_delisting_date(rows: pl.DataFrame, tmp_path: Path, days: int) -> None:
    split = split_days(rows["date"].unique().sort().to_numpy(), make_params(SplitParams, embargo_days=0), 20)
    last = split.ranges_of("train")[0].last - timedelta(days=7)
    code = rows.filter(date=last)["code"][0]
    is_last = (pl.col("code") == code) & (pl.col("date") == last)
    dated = disappear(rows, code, last).with_columns(
        pl.when(is_last).then(pl.lit(last + timedelta(days=days))).alias("delisting_date")
    )
    panel = make_panel(dated, tmp_path / "panel", make_params(UniverseParams, min_history=3))
    assert panel.metadata.delisting_dates == {code: last + timedelta(days=days)}
    day = int(np.searchsorted(panel.days, np.datetime64(last)))
    earned = int(np.searchsorted(panel.days, np.datetime64(last + timedelta(days=days))))

    known = {}
    for limit in range(day, len(panel.days)):
        limits = np.full(len(panel.days), limit)
        block = BlockReader(panel, no_graphs(panel), LOOKBACK, 1, limits).read(np.array([day]))
        stock = block.stock.tolist().index(panel.metadata.codes.index(code))
        for horizon, label in zip((1, 5), block.targets[0, stock, :2].tolist(), strict=True):
            if not math.isnan(label):
                known.setdefault(horizon, limit)

    assert known == {h: max(day + h, earned) for h in (1, 5) if max(day + h, earned) < len(panel.days)}
    until = find_last_label_days(panel, split.ranges_of("train"))
    assert (until[day] < earned) == (days > 7 + 30)
