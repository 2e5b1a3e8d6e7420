"""Doors to disk that Kedro's own datasets do not have: each writes a whole thing or nothing."""

from .model import ModelDataset
from .panel import PanelDataset
from .price_files import PriceFilesDataset
from .run_folders import RunFoldersDataset
from .simulated_market import SimulatedMarketDataset
from .table import TableDataset
from .today import TodayDataset
from .tracker import TrackerDataset
from .whole_json import WholeJSONDataset

__all__ = [
    "ModelDataset",
    "PanelDataset",
    "PriceFilesDataset",
    "RunFoldersDataset",
    "SimulatedMarketDataset",
    "TableDataset",
    "TodayDataset",
    "TrackerDataset",
    "WholeJSONDataset",
]
