"""Inputs of the losses, and slow definitions of every loss in NumPy."""

from itertools import pairwise

import numpy as np
import torch
from scipy import stats

from atft_kedro.labels import transform_labels
from atft_kedro.losses import (
    LossInputs,
)

LEVELS = torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64)


def make_loss_inputs(days: int = 6, horizons: int = 2, stocks: int = 30, seed: int = 0) -> LossInputs:
    """Random forecasts and labels with gaps, ties, one day without labels and one without stocks."""
    random = torch.Generator().manual_seed(seed)
    returns = torch.randn(days, horizons, stocks, generator=random, dtype=torch.float64) * 0.02
    returns[:, :, :4] = 0.01  # ties
    present = torch.rand(days, stocks, generator=random) > 0.1
    present[-1] = False
    valid = (torch.rand(days, horizons, stocks, generator=random) > 0.2) & present.unsqueeze(1)
    valid[3] = False
    quantiles = torch.randn(days, horizons, stocks, 3, generator=random, dtype=torch.float64).sort(-1).values
    label, kept = transform_labels(returns.where(valid, torch.nan), valid, 0.0, gaussian=False)
    return LossInputs(
        point=quantiles[..., 1],
        quantiles=quantiles,
        label=label,
        returns=returns.where(valid, torch.nan),
        valid=kept,
        is_forecast=present,
        exposures=torch.randn(days, 2, stocks, generator=random, dtype=torch.float64),
        quantile_levels=LEVELS,
        min_deviation=1.5,
    )


def daily(q: LossInputs, horizon: int) -> list[tuple[np.ndarray, ...]]:
    """Each day's valid forecasts, labels, returns and quantiles."""
    days = []
    for day in range(len(q.point)):
        v = q.valid[day, horizon].numpy()
        if v.sum() >= 3:
            arrays = (q.point, q.label, q.returns, q.quantiles)
            days.append(tuple(a[day, horizon].numpy()[v] for a in arrays))
    return days


def weights_of(forecast: np.ndarray) -> np.ndarray:
    z = (forecast - forecast.mean()) / forecast.std()
    w = np.tanh(z) - np.tanh(z).mean()
    return w / np.abs(w).sum()


def books_of(q: LossInputs, horizon: int) -> list[np.ndarray | None]:
    """Each day's weights of all stocks, from all that are forecast, whether their labels are known or not."""
    books: list[np.ndarray | None] = []
    for day, mask in enumerate(q.is_forecast.numpy()):
        w = np.zeros(len(mask))
        if mask.sum() >= 3:
            w[mask] = weights_of(q.point[day, horizon].numpy()[mask])
        books.append(w if mask.sum() >= 3 else None)
    return books


def huber_of(error: np.ndarray) -> np.ndarray:
    return np.where(np.abs(error) < 1, 0.5 * error**2, np.abs(error) - 0.5)


def sharpe_of(q: LossInputs, horizon: int) -> float:
    valid, returns = q.valid[:, horizon].numpy(), q.returns[:, horizon].numpy()
    books = zip(books_of(q, horizon), valid, returns, strict=True)
    earned = np.array([book[v] @ r[v] for book, v, r in books if book is not None and v.sum() >= 3])
    return -earned.mean() / earned.std(ddof=1)


def turnover_of(q: LossInputs, horizon: int) -> float:
    pairs = pairwise(books_of(q, horizon))
    return float(np.mean([np.abs(b - a).sum() / 2 for a, b in pairs if a is not None and b is not None]))


def exposure_of(q: LossInputs, horizon: int) -> float:
    found = []
    for day, mask in enumerate(q.is_forecast.numpy()):
        for exposure in q.exposures[day].numpy():
            m = mask & np.isfinite(exposure)
            if m.sum() >= 3:
                found.append(stats.pearsonr(q.point[day, horizon].numpy()[m], exposure[m])[0] ** 2)
    return float(np.mean(found))


def variance_floor_of(q: LossInputs, horizon: int) -> float:
    days = zip(q.point[:, horizon].numpy(), q.is_forecast.numpy(), strict=True)
    return float(np.mean([max(1.5 - f[mask].std(), 0) ** 2 for f, mask in days if mask.sum() >= 3]))


REFERENCES = {
    "mse": lambda days, q, h: np.mean([np.mean((f - y) ** 2) for f, y, *_ in days]),
    "huber": lambda days, q, h: np.mean([np.mean(huber_of(f - y)) for f, y, *_ in days]),
    "ic": lambda days, q, h: 1 - np.mean([stats.pearsonr(f, y)[0] for f, y, *_ in days]),
    "sharpe": lambda days, q, h: sharpe_of(q, h),
    "list_net": lambda days, q, h: np.mean(
        [-(np.exp(y) / np.exp(y).sum()) @ np.log(np.exp(f) / np.exp(f).sum()) for f, y, *_ in days]
    ),
    "quantile": lambda days, q, h: np.mean(
        [
            np.mean(np.maximum(LEVELS.numpy() * (y[:, None] - k), (LEVELS.numpy() - 1) * (y[:, None] - k)))
            for _, y, _, k in days
        ]
    ),
    "turnover": lambda days, q, h: turnover_of(q, h),
    "exposure": lambda days, q, h: exposure_of(q, h),
    "variance_floor": lambda days, q, h: variance_floor_of(q, h),
}
