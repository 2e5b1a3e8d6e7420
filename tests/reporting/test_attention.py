"""Test the tables and figures of attention weights."""

from datetime import date

import numpy as np
import polars as pl
import pytest
import torch

from atft_kedro.network.attention_stats import AttentionStats
from atft_kedro.reporting import attention
from atft_kedro.reporting.attention import (
    plot_features,
    plot_lags,
    tabulate_by_day,
    tabulate_frequencies,
    tabulate_lags,
)

DAYS = np.array(["2024-01-30", "2024-01-31", "2024-02-01"], dtype="datetime64[D]")


def tabulate_features() -> pl.DataFrame:
    blocks = [torch.tensor([[1.0, 2.0, 0.0], [3.0, 0.0, 0.0]]), torch.tensor([[1.0, 1.5, 0.5]])]
    return tabulate_by_day(DAYS, blocks, "feature", ["a", "b", "c"])


def test_weights_are_tabulated_by_day_and_feature() -> None:
    table = tabulate_features()

    assert table.rows()[:3] == [
        (date(2024, 1, 30), name, weight) for name, weight in zip("abc", (1, 2, 0), strict=True)
    ]
    assert table.filter(date=date(2024, 2, 1))["weight"].to_list() == [1.0, 1.5, 0.5]


def test_lags_and_frequencies_are_averaged_over_blocks() -> None:
    stats = AttentionStats(
        lags={0: [torch.tensor([[0.2, 0.8]]), torch.tensor([[0.4, 0.6]])]},
        frequencies=[torch.tensor([[0.0, 1.0]]), torch.tensor([[0.5, 0.5]])],
    )

    assert tabulate_lags(stats)["weight"].to_list() == pytest.approx([0.3, 0.7])
    assert tabulate_frequencies(stats, window_steps=8).rows() == [(0, 0, None, 0.25), (0, 1, 8.0, 0.75)]


def test_the_figure_has_the_monthly_means_of_the_features_with_the_largest_weights(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(attention, "MAX_FEATURES_SHOWN", 2)

    figure = plot_features(tabulate_features())

    assert list(figure.data[0].x) == ["2024-01", "2024-02"]
    assert list(figure.data[0].y) == ["b", "a"]
    assert [list(row) for row in figure.data[0].z] == [[1.0, 1.5], [2.0, 1.0]]
    assert "for the 2 features with the largest mean weight, of 3." in figure.layout.meta["caption"]


def test_the_lags_of_a_head_are_a_line() -> None:
    weights = pl.DataFrame({"layer": 0, "head": [0, 0, 1, 1], "lag": [1, 0, 0, 1], "weight": [0.4, 0.6, 0.9, 0.1]})

    figure = plot_lags(weights)

    assert {line.name: list(line.y) for line in figure.data} == {
        "layer 0, head 0": [0.6, 0.4],
        "layer 0, head 1": [0.9, 0.1],
    }
