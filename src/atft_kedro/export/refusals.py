"""When a live forecast is refused: the newest day lacks features or stocks that the training had."""

import logging
from dataclasses import replace
from typing import Annotated

import numpy as np
import polars as pl
import torch
from pydantic import Field

from ..panel.blocks import BlockReader
from ..panel.scaler import Scaler
from ..params import InputError, Params
from ..schema import DATE, ELIGIBLE
from .inference_inputs import Newest

USUAL = 20  # days before, whose median number of stocks is the usual one

_logger = logging.getLogger(__name__)

Share = Annotated[float, Field(ge=0, le=1)]


class LiveLimits(Params):
    """How much of what the training had may be absent from a live day.

    A stock with a larger share of unknown features than ``max_unknown_features`` is not forecast. With a larger
    share of such stocks than ``max_left_out_stocks``, or fewer stocks than ``min_stocks_share`` of the usual number,
    the whole day is refused.
    """

    max_unknown_features: Share = 0.5
    max_left_out_stocks: Share = 0.2
    min_stocks_share: Share = 0.5


def require_stocks(newest: Newest, limits: LiveLimits) -> None:
    """Refuse a day on which far fewer stocks are in the universe than on the 20 days before."""
    counts = newest.universe.group_by(DATE).agg(pl.col(ELIGIBLE).sum()).sort(DATE)
    stocks = counts[ELIGIBLE].to_numpy()
    for place in range(len(stocks) - newest.reader.days, len(stocks)):
        before = stocks[max(place - USUAL, 0) : place]
        usual = float(np.median(before)) if len(before) else 0.0
        if stocks[place] < limits.min_stocks_share * usual:
            raise InputError(
                f"{counts[DATE][place]} has {stocks[place]} stocks to forecast, the {len(before)} days before had "
                f"{usual:g} in the median: load the missing prices, or lower predict.min_stocks_share "
                f"({limits.min_stocks_share:g})."
            )


def leave_out_unknown(newest: Newest, scaler: Scaler, limits: LiveLimits) -> Newest:
    """Forecast no stock whose features are mostly unknown; refuse a day with too many such stocks.

    A feature counts by the share of the training's rows on which it was known.
    """
    panel = newest.reader.panel
    known = torch.tensor([1 - each.missing for each in scaler.features], device=panel.features.device)
    eligible = panel.eligible.clone()
    for day in newest.asked.tolist():
        stocks = eligible[day].nonzero().flatten()
        unknown = panel.features[panel.row_of[day, stocks].long()].isnan()  # (stock, feature)
        blind = (unknown * known).sum(1) > limits.max_unknown_features * known.sum()
        _require_few(int(blind.sum()), unknown, newest, day, scaler, limits)
        eligible[day, stocks[blind]] = False
        if blind.any():
            codes = [panel.metadata.codes[stock] for stock in stocks[blind].tolist()]
            _logger.warning(
                "%s: %d of %d stocks are not forecast, more than %g %% of the features that the training knew are "
                "unknown: %s",
                *(panel.metadata.days[day], len(codes), len(stocks), 100 * limits.max_unknown_features),
                ", ".join(codes[:8]) + (" …" if len(codes) > 8 else ""),
            )
    reader = newest.reader
    left = BlockReader(replace(panel, eligible=eligible), reader.graphs, reader.steps - reader.days + 1, reader.days)
    return replace(newest, reader=left)


def _require_few(
    blind: int, unknown: torch.Tensor, newest: Newest, day: int, scaler: Scaler, limits: LiveLimits
) -> None:
    if blind <= limits.max_left_out_stocks * len(unknown):
        return
    missing = torch.tensor([each.missing for each in scaler.features])
    excess = unknown.float().mean(0).cpu() - missing
    worst = excess.argsort(descending=True)[:5].tolist()
    names = ", ".join(f"{scaler.features[place].name} ({100 * excess[place]:+.0f} %)" for place in worst)
    raise InputError(
        f"On {newest.reader.panel.metadata.days[day]}, {blind} of {len(unknown)} stocks lack more than "
        f"{100 * limits.max_unknown_features:g} % of the features that the training knew. Features that are unknown "
        f"more often than in training: {names}. Mend the prices or features of that day, or raise "
        f"predict.max_unknown_features or predict.max_left_out_stocks ({limits.max_left_out_stocks:g})."
    )
