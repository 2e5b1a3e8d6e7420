"""The simulated market: its prices, their oracle and the hidden neighbours."""

from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ..schema import CLOSE, CODE, DATE, HIGH, LOW, OPEN, SECTOR, VOLUME
from .oracle import expect_returns
from .simulated_drivers import BURN_IN, VOLUME_WAVE, Floats, Latent, MarketParams, draw_latent, draw_returns, wave

SHORTEST_LIFE = 60  # days between a listing and a delisting


@dataclass(frozen=True)
class SimulatedMarket:
    """Tables of a simulated market: visible prices, and the hidden oracle and neighbours."""

    prices: pl.DataFrame
    oracle: pl.DataFrame
    neighbours: pl.DataFrame


def simulate_market(params: MarketParams) -> SimulatedMarket:
    """Simulate a market; equal parameters give an equal market."""
    rng = np.random.default_rng(params.seed)
    latent = draw_latent(params, rng)
    returns = draw_returns(latent, params, rng)
    observed = _draw_observed(rng, params)
    quotes = _draw_quotes(rng, latent, returns)
    expected = expect_returns(latent, params, np.vstack([np.zeros((BURN_IN, params.stocks), bool), observed]))
    codes = np.array([f"S{stock:04d}" for stock in range(params.stocks)])
    sectors = np.array([f"sector {sector:02d}" for sector in latent.sectors(params.sectors)])
    key = _long_key(params, codes, observed)
    cells = key.pop("day"), key.pop("stock")
    return SimulatedMarket(
        prices=pl.DataFrame(
            {
                **key,
                SECTOR: sectors[cells[1]],
                **{name: matrix[BURN_IN:][cells] for name, matrix in quotes.items()},
            }
        ),
        oracle=pl.DataFrame(
            {**key, **{name: matrix[BURN_IN:][cells] for name, matrix in expected.items()}}
        ).with_columns(pl.selectors.float().fill_nan(None)),
        neighbours=pl.DataFrame(
            {
                CODE: np.repeat(codes, latent.neighbours.shape[1]),
                "neighbour": codes[latent.neighbours.ravel()],
            }
        ),
    )


def trading_days(start: date, days: int) -> NDArray[np.datetime64]:
    """List ``days`` weekdays, the first on or after ``start``."""
    first = np.busday_offset(start, 0, roll="forward")
    return np.busday_offset(first, np.arange(days))


def _long_key(params: MarketParams, codes: NDArray[np.str_], observed: NDArray[np.bool_]) -> dict[str, NDArray]:  # type: ignore[type-arg]
    """Return dates and codes of the observed cells, sorted by (code, date), with their indices."""
    stock, day = np.nonzero(observed.T)
    dates = trading_days(params.start, params.days).astype("datetime64[D]")
    return {DATE: dates[day], CODE: codes[stock], "day": day, "stock": stock}


def _draw_observed(rng: np.random.Generator, params: MarketParams) -> NDArray[np.bool_]:
    """Draw listings, delistings and missing days: ``[day, stock]``."""
    days = np.arange(params.days)[:, None]
    life = min(SHORTEST_LIFE, params.days)
    is_late = rng.uniform(size=params.stocks) < params.late_listings
    is_delisted = rng.uniform(size=params.stocks) < params.delistings
    latest = params.days - life + 1
    first = np.where(is_late, rng.integers(0, latest, params.stocks), 0)
    last = np.where(
        is_delisted, np.maximum(first + life, rng.integers(life, params.days + 1, params.stocks)), params.days
    )
    missing = rng.uniform(size=(params.days, params.stocks)) < params.missing_days
    return (days >= first) & (days < last) & ~missing


def _draw_quotes(rng: np.random.Generator, latent: Latent, returns: Floats) -> dict[str, Floats]:
    """Draw open, high, low, close and volume around the returns."""
    days, stocks = returns.shape
    first = np.exp(np.log(30) + 0.8 * rng.standard_normal(stocks))
    close = first * np.cumprod(1 + returns, axis=0)
    before = np.vstack([first, close[:-1]])
    overnight = 0.35 * returns + 0.3 * latent.volatility * rng.standard_normal((days, stocks))
    opening = before * np.maximum(1 + overnight, 0.05)
    above = 0.45 * latent.volatility * np.abs(rng.standard_normal((days, stocks)))
    below = 0.45 * latent.volatility * np.abs(rng.standard_normal((days, stocks)))
    size = np.log(2e7) + 1.2 * rng.standard_normal(stocks) - np.log(first)
    noise = rng.standard_normal((days, stocks))
    slow = (noise + np.roll(noise, 1, axis=0) + np.roll(noise, 2, axis=0)) / np.sqrt(3)
    volume = np.exp(size + 0.4 * slow + 0.3 * np.abs(latent.own) + VOLUME_WAVE * wave(latent))
    return {
        OPEN: _round_to_cents(opening),
        HIGH: _round_to_cents(np.maximum(opening, close) * (1 + above)),
        LOW: _round_to_cents(np.minimum(opening, close) * (1 - np.minimum(below, 0.9))),
        CLOSE: _round_to_cents(close),
        VOLUME: np.round(volume),
    }


def _round_to_cents(prices: Floats) -> Floats:
    """Round prices to cents, below two to hundredths of a cent."""
    return np.where(prices < 2, np.maximum(np.round(prices, 4), 1e-4), np.round(prices, 2))
