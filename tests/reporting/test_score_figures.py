"""Test the figures of a run's score."""

import polars as pl
import pytest
from plotly.graph_objects import Figure

from atft_kedro.evaluation.score import RunScore
from atft_kedro.reporting.score_figures import SCORE_FIGURES, plot_scores
from factories.baseline_runs import DAYS, make_noisy_returns, score_with_baselines


@pytest.fixture(scope="module")
def scored_run() -> tuple[RunScore, pl.DataFrame]:
    return score_with_baselines(make_noisy_returns())


@pytest.fixture(scope="module")
def figures(scored_run: tuple[RunScore, pl.DataFrame]) -> dict[str, Figure]:
    return dict(zip(SCORE_FIGURES, plot_scores(*scored_run), strict=True))


def test_every_figure_has_values_a_title_and_a_caption(figures: dict[str, Figure]) -> None:
    for name, figure in figures.items():
        if name != "coverage_plot":  # these forecasts have no quantiles
            assert len(figure.data) > 0, name
        assert figure.layout.title.text, name
        assert figure.layout.meta["caption"], name


def test_the_rank_ic_is_that_of_the_network(
    figures: dict[str, Figure], scored_run: tuple[RunScore, pl.DataFrame]
) -> None:
    monthly, cumulative = figures["ic_plot"].data
    daily = scored_run[1].filter(forecaster="network")["rank_ic"]

    assert len(monthly.y) == DAYS
    assert cumulative.y[-1] == pytest.approx(daily.sum())


def test_baselines_without_a_rank_ic_have_no_bar(
    figures: dict[str, Figure], scored_run: tuple[RunScore, pl.DataFrame]
) -> None:
    bars = {bar.name: bar.y[0] for bar in figures["baselines_plot"].data}

    assert list(bars) == ["network", "reversed", "same", "oracle"]
    assert bars["network"] == scored_run[0].split["test"][1].rank_ic.mean


def test_deciles_are_in_basis_points(figures: dict[str, Figure], scored_run: tuple[RunScore, pl.DataFrame]) -> None:
    (bars,) = figures["decile_plot"].data

    assert list(bars.y) == [1e4 * (value or 0) for value in scored_run[0].split["test"][1].deciles]


def test_equity_compounds_the_daily_returns(
    figures: dict[str, Figure], scored_run: tuple[RunScore, pl.DataFrame]
) -> None:
    lines = {line.name: line for line in figures["equity_plot"].data if line.name}
    days = scored_run[1].filter(forecaster="network", split="test")
    total = (1 + days["long_short_net"].drop_nulls()).product()

    assert lines["1 d, long-short, net"].y[-1] == pytest.approx(100 * (total - 1))
    assert lines["1 d, long-only, net"].visible == "legendonly"
