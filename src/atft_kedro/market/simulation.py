"""The simulated market: prices that look like a market's, their oracle and the hidden neighbours."""

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
    """Tables: prices as anyone sees them; the oracle (``oracle_column``) and the hidden neighbours as nobody does."""

    prices: pl.DataFrame
    oracle: pl.DataFrame
    neighbours: pl.DataFrame


def simulate_market(params: MarketParams) -> SimulatedMarket:
    """Make the market that ``params`` describes; the same parameters make the same market."""
    rng = np.random.default_rng(params.seed)
    latent = draw_latent(params, rng)
    returns = draw_returns(latent, params, rng)
    observed = _draw_observed(rng, params)
    quotes = _draw_quotes(rng, latent, returns)
    expected = expect_returns(latent, params, np.vstack([np.zeros((BURN_IN, params.stocks), bool), observed]))
    codes = np.array([f"S{stock:04d}" for stock in range(params.stocks)])
    sectors = np.array([f"sector {sector:02d}" for sector in latent.sectors(params.sectors)])
    key = _long_key(params, codes, observed)
    place = key.pop("day"), key.pop("stock")
    return SimulatedMarket(
        prices=pl.DataFrame(
            {
                **key,
                SECTOR: sectors[place[1]],
                **{name: cells[BURN_IN:][place] for name, cells in quotes.items()},
            }
        ),
        oracle=pl.DataFrame({**key, **{name: cells[BURN_IN:][place] for name, cells in expected.items()}}).with_columns(
            pl.selectors.float().fill_nan(None)
        ),
        neighbours=pl.DataFrame(
            {
                CODE: np.repeat(codes, latent.neighbours.shape[1]),
                "neighbour": codes[latent.neighbours.ravel()],
            }
        ),
    )


def trading_days(start: date, days: int) -> NDArray[np.datetime64]:
    """List the first ``days`` weekdays from ``start`` on."""
    first = np.busday_offset(start, 0, roll="forward")
    return np.busday_offset(first, np.arange(days))


def _long_key(params: MarketParams, codes: NDArray[np.str_], observed: NDArray[np.bool_]) -> dict[str, NDArray]:  # type: ignore[type-arg]
    """Lay the observed cells out by (code, date), with their places in the arrays."""
    stock, day = np.nonzero(observed.T)
    dates = trading_days(params.start, params.days).astype("datetime64[D]")
    return {DATE: dates[day], CODE: codes[stock], "day": day, "stock": stock}


def _draw_observed(rng: np.random.Generator, params: MarketParams) -> NDArray[np.bool_]:
    """Draw listings, delistings and missing days: ``[day, stock]``."""
    days = np.arange(params.days)[:, None]
    life = min(SHORTEST_LIFE, params.days)
    late = rng.uniform(size=params.stocks) < params.late_listings
    gone = rng.uniform(size=params.stocks) < params.delistings
    latest = params.days - life + 1
    first = np.where(late, rng.integers(0, latest, params.stocks), 0)
    last = np.where(gone, np.maximum(first + life, rng.integers(life, params.days + 1, params.stocks)), params.days)
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
        OPEN: _in_cents(opening),
        HIGH: _in_cents(np.maximum(opening, close) * (1 + above)),
        LOW: _in_cents(np.minimum(opening, close) * (1 - np.minimum(below, 0.9))),
        CLOSE: _in_cents(close),
        VOLUME: np.round(volume),
    }


def _in_cents(prices: Floats) -> Floats:
    """Quote in cents, and in hundredths of a cent below two."""
    return np.where(prices < 2, np.maximum(np.round(prices, 4), 1e-4), np.round(prices, 2))
