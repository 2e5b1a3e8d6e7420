"""Metrics per day and horizon, over the stocks whose forecast and return are known."""

import torch
from torch import Tensor
from torch.nn import functional

MIN_STOCKS = 3  # fewest stocks of a day for a correlation
DECILES = 10
METRIC_NAMES = {  # in tables, messages and columns
    "ic": "IC",
    "ic_ir": "ICIR",
    "rank_ic": "rank IC",
    "rank_ic_ir": "rank ICIR",
    "hit_rate": "hit rate",
    "net_sharpe": "net Sharpe",
    "loss": "loss",
}
TRADING_DAYS = 252  # days per year
ROUNDING = 1e-9  # values are constant if their deviation is smaller than this times the largest of them


def valid_pairs(forecast: Tensor, actual: Tensor) -> Tensor:
    """Mark the stocks whose forecast and actual value are finite (…, stock)."""
    return forecast * 0 + actual * 0 == 0  # the same as isfinite, in half the passes over memory


def pearson(x: Tensor, y: Tensor, valid: Tensor) -> Tensor:
    """Correlate the valid values of the last axis; NaN for fewer than 3 or a constant."""
    x, y = standardise(x.double(), valid), standardise(y.double(), valid)
    count = valid.sum(-1)
    return torch.where(count >= MIN_STOCKS, (x * y).sum(-1) / count, torch.nan)


def standardise(x: Tensor, valid: Tensor) -> Tensor:
    """Scale the valid values of the last axis to mean 0 and deviation 1.

    Others become 0; all are NaN where the valid ones are equal. ``x`` must have double precision, because in single
    precision a constant 0.1 differs from its mean.
    """
    count = valid.sum(-1, keepdim=True).clamp(min=1)
    kept = x.where(valid, 0)
    centred = (kept - kept.sum(-1, keepdim=True) / count).where(valid, 0)
    spread = (centred.square().sum(-1, keepdim=True) / count).sqrt()
    largest = kept.abs().amax(-1, keepdim=True)
    return torch.where(spread > ROUNDING * largest, centred / spread, torch.nan)


def ranks(x: Tensor, valid: Tensor) -> Tensor:
    """Rank the valid values of the last axis from 1 on, with averages for ties; NaN elsewhere."""
    ordered, index = x.where(valid, torch.inf).sort(-1)
    position = torch.arange(x.shape[-1], device=x.device).expand(x.shape)
    differs = ordered[..., 1:] != ordered[..., :-1]
    edge = torch.ones_like(valid[..., :1])
    first = position.where(torch.cat([edge, differs], -1), 0).cummax(-1).values
    last = position.where(torch.cat([differs, edge], -1), x.shape[-1]).flip(-1).cummin(-1).values.flip(-1)
    average = ((first + last) / 2 + 1).to(x.dtype)
    return torch.empty_like(x).scatter(-1, index, average).where(valid, torch.nan)


def daily_ic(forecast: Tensor, actual: Tensor) -> Tensor:
    """Compute the IC of each day (…): Pearson's correlation of forecast and actual (…, stock)."""
    return pearson(forecast, actual, valid_pairs(forecast, actual))


def daily_rank_ic(forecast: Tensor, actual: Tensor) -> Tensor:
    """Compute the rank IC of each day: Spearman's correlation, with average ranks for ties."""
    valid = valid_pairs(forecast, actual)
    x, y = ranks(forecast.double(), valid), ranks(actual.double(), valid)
    return pearson(x, y, valid)


def daily_scale(forecast: Tensor, actual: Tensor) -> Tensor:
    """Divide the deviation of each day's forecasts by that of the actual values."""
    valid = valid_pairs(forecast, actual)
    enough = valid.sum(-1) >= MIN_STOCKS
    return (deviation(forecast, valid) / deviation(actual, valid)).where(enough, torch.nan)


def deviation(x: Tensor, valid: Tensor) -> Tensor:
    """Compute the standard deviation (ddof 0) of the valid values of the last axis."""
    count = valid.sum(-1).clamp(min=1)
    mean = x.where(valid, 0).sum(-1) / count
    return ((x - mean.unsqueeze(-1)).where(valid, 0).square().sum(-1) / count).sqrt()


def daily_hit_rate(forecast: Tensor, actual: Tensor) -> Tensor:
    """Compute the share of stocks with both values on the same side of their day's mean.

    A value on the mean counts half.
    """
    valid = valid_pairs(forecast, actual)
    count = valid.sum(-1)
    x, y = (standardise(values.double(), valid) for values in (forecast, actual))
    product = x * y
    hits = torch.where(product.isnan(), product, (1 + product.sign()) / 2).where(valid, 0).sum(-1)
    return torch.where(count >= MIN_STOCKS, hits / count, torch.nan)


def long_short_weights(rank: Tensor) -> Tensor:
    """Compute weights that buy the top decile and sell the bottom one: gross 1, net 0."""
    group = deciles(rank)
    longs, shorts = equal_weights(group == DECILES - 1), equal_weights(group == 0)
    both = (longs.sum(-1, keepdim=True) > 0) & (shorts.sum(-1, keepdim=True) > 0)
    return torch.where(both, (longs - shorts) / 2, 0)


def deciles(rank: Tensor) -> Tensor:
    """Compute the decile, 0 to 9, of each day's ranked stocks.

    It is −1 where the rank is unknown or the day has fewer than 10 stocks. Equal ranks share a decile. A stock on a
    border belongs to the decile nearer the middle, so that a reversed forecast has the reversed deciles.
    """
    valid = rank.isfinite()
    count = valid.sum(-1, keepdim=True)
    twice = (2 * rank - 1).where(valid, 1).long()  # an integer, because ranks end in .0 or .5
    up, down = _decile_of(twice, count), DECILES - 1 - _decile_of(2 * count - twice, count)
    return torch.where(twice < count, up, down).where(valid & (count >= DECILES), -1)


def _decile_of(twice: Tensor, count: Tensor) -> Tensor:
    """Compute the decile of the position ``twice / 2`` among ``count`` stocks."""
    return (twice * DECILES).div(2 * count.clamp(min=1), rounding_mode="floor")


def equal_weights(selected: Tensor) -> Tensor:
    """Weight each day's selected stocks equally, with sum 1; all 0 if none is selected."""
    return selected.double() / selected.sum(-1, keepdim=True).clamp(min=1)


def net_sharpe(forecast: Tensor, actual: Tensor, horizon: int, cost: float) -> Tensor:
    """Compute the annual net Sharpe ratio of the top decile against the bottom decile.

    ``forecast`` and ``actual``, the return over ``horizon`` days, are (day, stock) of consecutive days. Each day's
    portfolio is held for the horizon and pays ``cost`` per unit of weight that differs from the portfolio it replaces.
    A stock with an unknown return earns zero; a day without any known return does not count.
    """
    weights = long_short_weights(ranks(forecast.double(), forecast.isfinite()))
    traded = (weights - functional.pad(weights, (0, 0, horizon, 0))[: len(weights)]).abs().sum(-1)
    known = actual.isfinite()
    counted = known.any(-1)
    net = (weights * actual.where(known, 0)).sum(-1) - cost * traded
    mean = net.where(counted, 0).sum() / counted.sum()
    variance = (net - mean).square().where(counted, 0).sum() / (counted.sum() - 1)
    return torch.where(variance > 0, mean / variance.sqrt(), torch.nan) * (TRADING_DAYS / horizon) ** 0.5
