"""A few prices, and files of them."""

from datetime import date
from pathlib import Path

import polars as pl

from atft_kedro.market.columns import PriceFileParams
from atft_kedro.market.price_files import read_prices

DAYS = [date(2024, 1, day) for day in (2, 3, 4)]
PRICES = pl.DataFrame(
    {
        "date": DAYS * 2,
        "code": ["A"] * 3 + ["B"] * 3,
        "open": [10.0, 11.0, 12.0, 20.0, 21.0, 22.0],
        "high": [10.5, 11.5, 12.5, 20.5, 21.5, 22.5],
        "low": [9.5, 10.5, 11.5, 19.5, 20.5, 21.5],
        "close": [10.2, 11.2, 12.2, 20.2, 21.2, 22.2],
        "volume": [100.0, 200.0, 300.0, 400.0, 500.0, 600.0],
    }
)


def read(path: Path, **params: object) -> pl.DataFrame:
    found = read_prices(path, PriceFileParams.model_validate(params)).collect()
    return found.sort("code", "date").select(PRICES.columns)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path
