"""Doors to disk that Kedro's own datasets do not have: each writes a whole thing or nothing."""

from .handed_models import HandedModelsDataset
from .labels import LabelsDataset
from .model import ModelDataset
from .panel import PanelDataset
from .price_files import PriceFilesDataset
from .registered_model import RegisteredModelDataset
from .run_files import RunFigureDataset, RunTextDataset
from .run_folders import RunFoldersDataset
from .simulated_market import SimulatedMarketDataset
from .table import TableDataset
from .today import TodayDataset
from .tracker import TrackerDataset
from .trained_folds import TrainedFoldsDataset
from .trained_run import TrainedRunDataset
from .trial_trackers import TrialTrackersDataset
from .whole_json import WholeJSONDataset

__all__ = [
    "HandedModelsDataset",
    "LabelsDataset",
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
