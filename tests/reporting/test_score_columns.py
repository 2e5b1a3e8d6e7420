"""Test the registry of score columns."""

from atft_kedro.reporting.score_columns import PORTFOLIO_COLUMNS, SCORE_COLUMNS, collect_metrics
from atft_kedro.reporting.table import format_cells, list_headers
from factories.forecasts import EVALUATION, evaluate, forecast, realise
from factories.training_logs import make_mean, score_horizon


def test_every_column_formats_a_score_with_and_without_portfolios() -> None:
    realised = realise()
    score = evaluate(forecast(realised, realised["target_1d"]), realised, EVALUATION).horizons[1]
    empty = score.model_copy(update={"long_short": None})

    cells = dict(zip(SCORE_COLUMNS, format_cells(SCORE_COLUMNS, SCORE_COLUMNS, score), strict=True))
    assert cells["ic"] == "1.0000"
    assert cells["days"] == "60"
    assert cells["hit_rate"] == "1.000"
    assert format_cells(SCORE_COLUMNS, ("net_sharpe", "net_sharpe_interval"), empty) == ["–", "–"]
    assert score.long_short is not None
    assert len(format_cells(PORTFOLIO_COLUMNS, PORTFOLIO_COLUMNS, score.long_short)) == len(PORTFOLIO_COLUMNS)
    assert list_headers(SCORE_COLUMNS, ("ic", "ic_se")) == ["IC", "± se"]


def test_metrics_of_other_entries_have_the_entry_in_their_name() -> None:
    scores = {lag: {5: score_horizon(make_mean(mean))} for lag, mean in ((0, 0.1), (1, None))}

    metrics = collect_metrics("test", scores, 0)
    assert metrics == {"test/ic_5d": 0.1, "test/rank_ic_5d": 0.1}
    assert collect_metrics("test", scores, 1) == {"test/same_close/ic_5d": 0.1, "test/same_close/rank_ic_5d": 0.1}
