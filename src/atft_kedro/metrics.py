"""Every metric once: per day and horizon, over the stocks whose forecast and return are known."""

import torch
from torch import Tensor
from torch.nn import functional

MIN_STOCKS = 3  # stocks of a day that a correlation needs
DECILES = 10
TRADING_DAYS = 252  # a year
ROUNDING = 1e-9  # a deviation that is this small beside the values is none


def valid_pairs(forecast: Tensor, actual: Tensor) -> Tensor:
    """Mark where both are known (…, stock)."""
    return forecast * 0 + actual * 0 == 0  # as isfinite says, in half the passes over memory


def pearson(x: Tensor, y: Tensor, valid: Tensor) -> Tensor:
    """Correlate over the last axis where valid; NaN where too few are, or either side is constant."""
    x, y = standardise(x.double(), valid), standardise(y.double(), valid)
    count = valid.sum(-1)
    return torch.where(count >= MIN_STOCKS, (x * y).sum(-1) / count, torch.nan)


def standardise(x: Tensor, valid: Tensor) -> Tensor:
    """Bring the valid values of the last axis to mean 0 and deviation 1, others to 0; NaN where all are the same.

    In double precision, for in single a constant 0.1 has a mean that it differs from.
    """
    count = valid.sum(-1, keepdim=True).clamp(min=1)
    kept = x.where(valid, 0)
    centred = (kept - kept.sum(-1, keepdim=True) / count).where(valid, 0)
    spread = (centred.square().sum(-1, keepdim=True) / count).sqrt()
    size = kept.abs().amax(-1, keepdim=True)
    return torch.where(spread > ROUNDING * size, centred / spread, torch.nan)


def ranks(x: Tensor, valid: Tensor) -> Tensor:
    """Rank the valid values of the last axis from 1 on, ties at their average; NaN elsewhere."""
    ordered, place = x.where(valid, torch.inf).sort(-1)
    number = torch.arange(x.shape[-1], device=x.device).expand(x.shape)
    differs = ordered[..., 1:] != ordered[..., :-1]
    edge = torch.ones_like(valid[..., :1])
    first = number.where(torch.cat([edge, differs], -1), 0).cummax(-1).values
    last = number.where(torch.cat([differs, edge], -1), x.shape[-1]).flip(-1).cummin(-1).values.flip(-1)
    average = ((first + last) / 2 + 1).to(x.dtype)
    return torch.empty_like(x).scatter(-1, place, average).where(valid, torch.nan)


def daily_ic(forecast: Tensor, actual: Tensor) -> Tensor:
    """Correlate forecast and actual on each day (…, stock) -> (…)."""
    return pearson(forecast, actual, valid_pairs(forecast, actual))


def daily_rank_ic(forecast: Tensor, actual: Tensor) -> Tensor:
    """Correlate the ranks of each day, ties averaged (Spearman)."""
    valid = valid_pairs(forecast, actual)
    x, y = ranks(forecast.double(), valid), ranks(actual.double(), valid)
    return pearson(x, y, valid)


def daily_scale(forecast: Tensor, actual: Tensor) -> Tensor:
    """Compare the deviation of the forecasts with that of what they forecast, each day."""
    valid = valid_pairs(forecast, actual)
    enough = valid.sum(-1) >= MIN_STOCKS
    return (deviation(forecast, valid) / deviation(actual, valid)).where(enough, torch.nan)


def deviation(x: Tensor, valid: Tensor) -> Tensor:
    """Measure the standard deviation (ddof 0) of the valid values of the last axis."""
    count = valid.sum(-1).clamp(min=1)
    mean = x.where(valid, 0).sum(-1) / count
    return ((x - mean.unsqueeze(-1)).where(valid, 0).square().sum(-1) / count).sqrt()


def nan_mean(values: Tensor) -> float:
    """Average the days on which a metric is defined; NaN where there is none."""
    return float(values.nanmean())


def daily_hit_rate(forecast: Tensor, actual: Tensor) -> Tensor:
    """Say for which share of a day's stocks both lie on the same side of their day's mean; on it is half a hit."""
    valid = valid_pairs(forecast, actual)
    count = valid.sum(-1)
    one, other = (standardise(x.double(), valid) for x in (forecast, actual))
    alike = one * other
    hits = torch.where(alike.isnan(), alike, (1 + alike.sign()) / 2).where(valid, 0).sum(-1)
    return torch.where(count >= MIN_STOCKS, hits / count, torch.nan)


def long_short_weights(rank: Tensor) -> Tensor:
    """Buy the best tenth of each day's ranked stocks and sell the worst: 0 in sum, 1 in absolute values."""
    group = deciles(rank)
    longs, shorts = equal_weights(group == DECILES - 1), equal_weights(group == 0)
    both = (longs.sum(-1, keepdim=True) > 0) & (shorts.sum(-1, keepdim=True) > 0)
    return torch.where(both, (longs - shorts) / 2, 0)


def deciles(rank: Tensor) -> Tensor:
    """Sort each day's ranked stocks into tenths from 0 on, equal ones together; −1 where unknown or a day has too few.

    A stock on the border of two tenths belongs to the one nearer the middle, so that a reversed forecast has the
    reversed tenths.
    """
    valid = rank.isfinite()
    count = valid.sum(-1, keepdim=True)
    twice = (2 * rank - 1).where(valid, 1).long()  # whole: ranks end in .0 or .5
    up, down = _tenth(twice, count), DECILES - 1 - _tenth(2 * count - twice, count)
    return torch.where(twice < count, up, down).where(valid & (count >= DECILES), -1)


def _tenth(twice: Tensor, count: Tensor) -> Tensor:
    """Say in which tenth of ``count`` places half of ``twice`` lies."""
    return (twice * DECILES).div(2 * count.clamp(min=1), rounding_mode="floor")


def equal_weights(held: Tensor) -> Tensor:
    """Hold each day's marked stocks in equal parts."""
    return held.double() / held.sum(-1, keepdim=True).clamp(min=1)


def net_sharpe(forecast: Tensor, actual: Tensor, horizon: int, cost: float) -> Tensor:
    """Compute the annual Sharpe ratio of books of the best tenth against the worst, after costs.

    ``forecast`` and ``actual``, the return over ``horizon`` days, are (day, stock) of consecutive days. Each day's book
    is held for the horizon and pays ``cost`` for all by which it differs from the book that it replaces. A stock
    without a known return earns nothing, and a day without any does not count.
    """
    books = long_short_weights(ranks(forecast.double(), forecast.isfinite()))
    traded = (books - functional.pad(books, (0, 0, horizon, 0))[: len(books)]).abs().sum(-1)
    known = actual.isfinite()
    counted = known.any(-1)
    net = (books * actual.where(known, 0)).sum(-1) - cost * traded
    mean = net.where(counted, 0).sum() / counted.sum()
    variance = (net - mean).square().where(counted, 0).sum() / (counted.sum() - 1)
    return torch.where(variance > 0, mean / variance.sqrt(), torch.nan) * (TRADING_DAYS / horizon) ** 0.5
