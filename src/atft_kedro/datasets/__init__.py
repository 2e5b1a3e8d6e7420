"""Doors to disk that Kedro's own datasets do not have: each writes a whole thing or nothing."""

from .price_files import PriceFilesDataset
from .simulated_market import SimulatedMarketDataset
from .table import TableDataset
from .today import TodayDataset
from .whole_json import WholeJSONDataset

__all__ = [
    "PriceFilesDataset",
    "SimulatedMarketDataset",
    "TableDataset",
    "TodayDataset",
    "WholeJSONDataset",
]
