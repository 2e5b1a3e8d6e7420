"""Score forecasts: daily metrics, deciles, coverage and portfolios of every horizon."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
import torch
from torch import Tensor

from .. import metrics
from ..params import InputError
from ..schema import DATE, HORIZON
from .align import HorizonForecasts, RealisedReturns, align_forecasts, format_excluded, index_returns, require_forecasts
from .daily_statistics import Floats, average, mean_or_none
from .portfolio import DailyTrades, PortfolioParams, StaggeredPortfolio, score_portfolio, weight_by_signal, weight_top
from .quantiles import Units, daily_coverage, label_returns, quantile_levels
from .score import EvaluationParams, HorizonScore, Score

METRICS = ("ic", "rank_ic", "hit_rate", "scale")
DECILE_MEANS = ("return", "forecast", "label")  # the return is that minus the day's mean
DailyValues = dict[str, Floats]  # (day,) or (day, decile) values of one horizon by name; NaN where undefined


@dataclass(frozen=True)
class ScoredForecasts:
    """A score, and the daily values it is computed from: a row for each horizon and date."""

    score: Score
    daily: pl.DataFrame


def evaluate(forecasts: pl.DataFrame, realised: pl.DataFrame, params: EvaluationParams) -> Score:
    """Score a table of forecasts with a table of realised returns.

    ``forecasts`` has date, code, horizon and forecast; ``realised`` has date, code, target_1d, target_5d, … Each day
    is scored over the stocks with a finite forecast and a known return. Coverage is scored if the forecasts have
    quantiles (q10, q90, …), the traded value if the realised table has ``close`` and ``volume``.
    """
    return score_forecasts(forecasts, index_returns(realised), params).score


def score_forecasts(forecasts: pl.DataFrame, realised: RealisedReturns, params: EvaluationParams) -> ScoredForecasts:
    """Score forecasts with aligned returns, and return the daily values too."""
    require_forecasts(forecasts)
    scores, tables, days = {}, [], []
    for horizon in sorted(forecasts[HORIZON].unique().to_list()):
        aligned = align_forecasts(forecasts, realised, horizon)
        if aligned.days == slice(0, 0):
            reasons = ", ".join(format_excluded([aligned.excluded]))
            raise InputError(f"Nothing can be scored over {horizon} days: {reasons}.")
        daily = _score_days(aligned, params.units)
        trades = _trade(aligned, params.portfolio) if 1 in realised.returns else None
        scores[horizon] = _summarise(aligned, daily, trades, params.portfolio)
        tables.append(_tabulate_days(aligned, daily, trades, params.portfolio))
        days += [aligned.days.start, aligned.days.stop - 1]
    first, last = (str(realised.index.days[day]) for day in (min(days), max(days)))
    return ScoredForecasts(Score(horizons=scores, first=first, last=last), pl.concat(tables))


def _score_days(aligned: HorizonForecasts, units: Units) -> DailyValues:
    """Compute the daily values, some days at a time."""
    quantiles = aligned.quantiles()
    chunks = [_score_chunk(aligned, chunk, units, quantiles) for chunk in aligned.chunks()]
    return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}


def _score_chunk(aligned: HorizonForecasts, chunk: slice, units: Units, quantiles: dict[str, Tensor]) -> DailyValues:
    forecast, actual = aligned.forecast[chunk], aligned.actual[chunk]
    valid = metrics.valid_pairs(forecast, actual)
    actual_rank = metrics.ranks(actual, valid)
    label = label_returns(actual, valid, units, actual_rank)
    count = valid.sum(-1)
    excess = actual - actual.where(valid, 0).sum(-1, keepdim=True) / count.clamp(min=1).unsqueeze(-1)
    is_complete = torch.equal(valid, forecast.isfinite())
    rank = aligned.rank[chunk] if is_complete else metrics.ranks(forecast, valid)
    values = {
        "ic": metrics.daily_ic(forecast, actual),
        "rank_ic": metrics.daily_ic(rank, actual_rank),  # Pearson's correlation of ranks is Spearman's
        "hit_rate": metrics.daily_hit_rate(forecast, actual),
        "scale": metrics.daily_scale(forecast, label),
        "stocks": count,
    }
    for horizon in aligned.realised.returns:
        is_forecast = horizon == aligned.horizon
        decay = values["ic"] if is_forecast else metrics.daily_ic(forecast, aligned.returns(horizon)[chunk])
        values[f"decay {horizon}"] = decay
    means = average_by_decile(metrics.deciles(rank), excess, forecast, label)
    values |= {f"decile {name}": mean for name, mean in zip(DECILE_MEANS, means, strict=True)}
    values |= {f"coverage {name}": daily_coverage(quantile[chunk], label) for name, quantile in quantiles.items()}
    return {name: value.double().numpy() for name, value in values.items()}


def average_by_decile(decile: Tensor, *values: Tensor) -> Iterator[Tensor]:
    """Average values (day, stock) by decile: (day, decile); NaN where a decile is empty."""
    column = decile + 1  # column 0 is for stocks without a decile
    count = torch.zeros(len(decile), metrics.DECILES + 1, dtype=torch.float64)
    count.scatter_add_(1, column, torch.ones_like(decile, dtype=torch.float64))
    for value in values:
        total = torch.zeros_like(count).scatter_add_(1, column, value.where(decile >= 0, 0).double())
        yield (total / count)[:, 1:]


Portfolios = tuple[DailyTrades, DailyTrades]  # long-short, long-only


def _trade(aligned: HorizonForecasts, params: PortfolioParams) -> Portfolios:
    """Trade the forecasts up to the last day with a known return; each book is held for the horizon."""
    daily = aligned.returns(1)
    all_values = aligned.realised.traded_value
    value = None if all_values is None else all_values[aligned.days]
    known_days = daily.isfinite().any(-1).nonzero().flatten().tolist() or [-1]
    end = known_days[-1] + 1
    long_short, long_only = StaggeredPortfolio(aligned.horizon), StaggeredPortfolio(aligned.horizon)
    for chunk in aligned.chunks():
        days = slice(min(chunk.start, end), min(chunk.stop, end))
        forecast, returns, rank = aligned.forecast[days], daily[days], aligned.rank[days]
        traded_value = None if value is None else value[days]
        valid = metrics.valid_pairs(forecast, returns)
        market = returns.where(valid, 0).sum(-1, keepdim=True) / valid.sum(-1, keepdim=True).clamp(min=1)
        weights = metrics.long_short_weights(rank) if params.weights == "decile" else weight_by_signal(forecast)
        long_short.add_days(weights, returns, traded_value)
        long_only.add_days(weight_top(rank, params.top), returns - market, traded_value)
    return long_short.collect_trades(), long_only.collect_trades()


def _summarise(
    aligned: HorizonForecasts, daily: DailyValues, trades: Portfolios | None, params: PortfolioParams
) -> HorizonScore:
    """Average the daily values and score the portfolios."""
    horizon, stocks = aligned.horizon, daily["stocks"]
    long_short, long_only = (
        score_portfolio(portfolio, params.cost_bp, horizon) if portfolio else None
        for portfolio in trades or (None, None)
    )
    deciles = {name: [mean_or_none(column) for column in daily[f"decile {name}"].T] for name in DECILE_MEANS}
    levels = quantile_levels(aligned.indexed.rows.columns)
    return HorizonScore(
        **{name: average(daily[name], horizon, stocks > 0) for name in METRICS},
        deciles=tuple(deciles["return"]),
        calibration=tuple(zip(deciles["forecast"], deciles["label"], strict=True)),
        coverage={name: average(daily[f"coverage {name}"], horizon, stocks > 0) for name in levels},
        long_short=long_short,
        long_only=long_only,
        decay={other: mean_or_none(daily[f"decay {other}"]) for other in aligned.realised.returns},
        forecasts=int(stocks.sum()),
        stocks=mean_or_none(np.where(stocks > 0, stocks, np.nan)),
        excluded=aligned.excluded,
    )


def _tabulate_days(
    aligned: HorizonForecasts, daily: DailyValues, trades: Portfolios | None, params: PortfolioParams
) -> pl.DataFrame:
    """Build a row for each day; portfolio returns are null on last days without any known return."""
    dates = aligned.realised.index.days[aligned.days]
    columns = {name: daily[name] for name in METRICS}
    for name, portfolio in zip(("long_short", "long_only"), trades or (), strict=False):
        values = {"gross": portfolio.gross, "net": portfolio.net(params.cost_bp), "turnover": portfolio.turnover}
        missing = np.full(len(dates) - len(portfolio.gross), np.nan)
        columns |= {f"{name}_{column}": np.concatenate([known, missing]) for column, known in values.items()}
    table = pl.DataFrame({DATE: dates, **columns}).with_columns(pl.selectors.float().fill_nan(None))
    return table.select(DATE, pl.lit(aligned.horizon, dtype=pl.Int16).alias(HORIZON), pl.exclude(DATE))
