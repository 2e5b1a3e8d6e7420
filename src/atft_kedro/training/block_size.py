"""How many days a block has, where its samples are given."""

import logging

from ..panel.store import Panel
from .params import TrainingParams

_logger = logging.getLogger(__name__)


def count_stocks_per_day(panel: Panel) -> float:
    """Count the stocks that are forecast on a mean day of those that have any."""
    stocks = panel.eligible.sum(1).double()
    return float(stocks[stocks > 0].mean())


def choose_days_per_block(training: TrainingParams, stocks_per_day: float) -> TrainingParams:
    """Turn ``samples_per_block`` into ``days_per_block``, and log the result.

    The returned parameters hold the days alone, so a run's manifest says what was trained.
    """
    samples = training.samples_per_block
    if samples is None:
        return training
    days = max(round(samples / stocks_per_day), 1)
    _logger.info("training.samples_per_block %d: blocks of %d days (%.0f stocks a day)", samples, days, stocks_per_day)
    return training.model_copy(update={"days_per_block": days, "samples_per_block": None})
