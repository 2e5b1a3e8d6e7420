"""Doors to disk that Kedro's own datasets do not have: each writes a whole thing or nothing."""

from .atomic_json import WholeJSONDataset
from .benchmark_returns import BenchmarkReturnsDataset
from .current_day import TodayDataset
from .exported_models import HandedModelsDataset
from .model import ModelDataset
from .panel import PanelDataset
from .price_files import PriceFilesDataset
from .registered_model import RegisteredModelDataset
from .run_files import RunFigureDataset, RunTextDataset
from .run_folders import RunFoldersDataset
from .simulated_market import SimulatedMarketDataset
from .table import TableDataset
from .tracker import TrackerDataset
from .trained_folds import TrainedFoldsDataset
from .trained_run import TrainedRunDataset
from .trial_trackers import TrialTrackersDataset

__all__ = [
    "BenchmarkReturnsDataset",
    "HandedModelsDataset",
    "ModelDataset",
    "PanelDataset",
    "PriceFilesDataset",
    "RegisteredModelDataset",
    "RunFigureDataset",
    "RunFoldersDataset",
    "RunTextDataset",
    "SimulatedMarketDataset",
    "TableDataset",
    "TodayDataset",
    "TrackerDataset",
    "TrainedFoldsDataset",
    "TrainedRunDataset",
    "TrialTrackersDataset",
    "WholeJSONDataset",
]
