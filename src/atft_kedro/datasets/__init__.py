"""Kedro datasets of the project; files are written completely or not at all."""

from .daily_graphs import DailyGraphsDataset
from .folders import ExportedModelsDataset, JournalDataset, RunFoldersDataset
from .json_files import AtomicJSONDataset, ModelDataset, SplitDataset
from .notification import NotificationDataset
from .panel import PanelDataset
from .raw_days import DailyFolderDataset, DelistedIssuesDataset, JQuantsDataset
from .registered_model import RegisteredModelDataset
from .run_files import RunFigureDataset, RunTextDataset
from .sources import (
    BenchmarkReturnsDataset,
    CurrentDayDataset,
    DelistingsDataset,
    ExtraTablesDataset,
    PriceFilesDataset,
    SimulatedMarketDataset,
)
from .table import TableDataset
from .tracker import TrackerDataset, TrialTrackersDataset
from .trained import TrainedFoldsDataset, TrainedRunDataset

__all__ = [
    "AtomicJSONDataset",
    "BenchmarkReturnsDataset",
    "CurrentDayDataset",
    "DailyFolderDataset",
    "DailyGraphsDataset",
    "DelistedIssuesDataset",
    "DelistingsDataset",
    "ExportedModelsDataset",
    "ExtraTablesDataset",
    "JQuantsDataset",
    "JournalDataset",
    "ModelDataset",
    "NotificationDataset",
    "PanelDataset",
    "PriceFilesDataset",
    "RegisteredModelDataset",
    "RunFigureDataset",
    "RunFoldersDataset",
    "RunTextDataset",
    "SimulatedMarketDataset",
    "SplitDataset",
    "TableDataset",
    "TrackerDataset",
    "TrainedFoldsDataset",
    "TrainedRunDataset",
    "TrialTrackersDataset",
]
