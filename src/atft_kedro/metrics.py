"""Every metric once: per day and horizon, over the stocks whose forecast and return are known."""

import torch
from torch import Tensor

FEWEST = 3  # stocks of a day that a correlation needs
ROUNDING = 1e-9  # a deviation that is this small beside the values is none


def valid_pairs(forecast: Tensor, actual: Tensor) -> Tensor:
    """Mark where both are known (…, stock)."""
    return forecast * 0 + actual * 0 == 0  # as isfinite says, in half the passes over memory


def pearson(x: Tensor, y: Tensor, valid: Tensor) -> Tensor:
    """Correlate over the last axis where valid; NaN where too few are, or either side is constant."""
    x, y = standardise(x.double(), valid), standardise(y.double(), valid)
    count = valid.sum(-1)
    return torch.where(count >= FEWEST, (x * y).sum(-1) / count, torch.nan)


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
    enough = valid.sum(-1) >= FEWEST
    return (deviation(forecast, valid) / deviation(actual, valid)).where(enough, torch.nan)


def deviation(x: Tensor, valid: Tensor) -> Tensor:
    """Measure the standard deviation (ddof 0) of the valid values of the last axis."""
    count = valid.sum(-1).clamp(min=1)
    mean = x.where(valid, 0).sum(-1) / count
    return ((x - mean.unsqueeze(-1)).where(valid, 0).square().sum(-1) / count).sqrt()


def mean_of(values: Tensor) -> float:
    """Average the days on which a metric is defined; NaN where there is none."""
    return float(values.nanmean())


def daily_hit_rate(forecast: Tensor, actual: Tensor) -> Tensor:
    """Say for which share of a day's stocks both lie on the same side of their day's mean; on it is half a hit."""
    valid = valid_pairs(forecast, actual)
    count = valid.sum(-1)
    one, other = (standardise(x.double(), valid) for x in (forecast, actual))
    alike = one * other
    hits = torch.where(alike.isnan(), alike, (1 + alike.sign()) / 2).where(valid, 0).sum(-1)
    return torch.where(count >= FEWEST, hits / count, torch.nan)
