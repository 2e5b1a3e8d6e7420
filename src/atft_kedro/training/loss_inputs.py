"""From a block's forecasts to the question that the losses answer."""

from bisect import bisect_left

import torch
from torch import Tensor
from torch.nn import functional

from ..labels import transform_labels
from ..losses import LossInputs
from ..network.atft import Atft
from ..panel.blocks import Block
from ..panel.store import PanelMetadata
from ..params import InputError
from .params import TrainingParams

SECTOR = "sector"


class LossInputBuilder:
    """Puts forecasts beside what they should be, and beside what they should not be exposed to."""

    def __init__(self, network: Atft, metadata: PanelMetadata, params: TrainingParams) -> None:
        unknown = sorted(set(params.exposures) - {*metadata.features, SECTOR})
        if unknown:
            raise InputError(f"training.exposures: {unknown} are no features of this panel, nor {SECTOR!r}.")
        self.network, self.params = network, params
        self.places = [metadata.features.index(name) for name in params.exposures if name != SECTOR]
        self.sectors = len(list_sectors(metadata))
        if SECTOR in params.exposures and not self.sectors:
            raise InputError(f"training.exposures names {SECTOR!r}, but the ML dataset has no sectors.")
        device = network.heads.straight.weight.device
        self.levels = torch.tensor(network.params.quantiles, device=device)
        self.sector = number_sectors(metadata).to(device) if SECTOR in params.exposures else None

    def __call__(self, block: Block, forecast: Tensor) -> LossInputs:
        """Ask about every day, horizon and stock of a block."""
        returns = block.targets.transpose(1, 2)  # (day, horizon, stock)
        gaussian = self.params.labels.transform == "gaussian_rank"
        label, valid = transform_labels(
            returns, returns.isfinite(), self.params.labels.drop_extremes, gaussian=gaussian
        )
        quantiles = forecast.float().transpose(1, 2)
        return LossInputs(
            point=self.network.point(quantiles),
            quantiles=quantiles,
            label=label,
            returns=returns,
            valid=valid,
            present=block.is_forecast,
            exposures=self.expose(block),
            levels=self.levels,
            floor=self.params.scale_floor,
        )

    def expose(self, block: Block) -> Tensor:
        """Read the exposures of the forecasts (day, exposure, stock); NaN where unknown."""
        place = block.slot.clamp(min=0) + block.rows.shape[1] * torch.arange(len(block.stock), device=block.slot.device)
        mine = block.features[..., self.places].float().flatten(0, 1)[place]  # (day, stock, exposure)
        mine = mine.where(block.is_forecast.unsqueeze(-1), torch.nan)
        if self.sector is not None:
            number = self.sector[block.day.clamp(min=0)][:, block.stock.clamp(min=0)].long()  # (day, stock)
            member = functional.one_hot(number.clamp(min=0), self.sectors).float()
            mine = torch.cat([mine, member.where((number >= 0).unsqueeze(-1), torch.nan)], -1)
        return mine.transpose(1, 2)


def number_sectors(metadata: PanelMetadata) -> Tensor:
    """Look up the number of each stock's sector as it is known on each day (day, stock); −1 where unknown."""
    names = list_sectors(metadata)
    numbers = torch.full((len(metadata.days), len(metadata.codes)), -1, dtype=torch.int16)
    for stock, history in enumerate(metadata.sectors):
        for since, name in history:
            numbers[bisect_left(metadata.days, since) :, stock] = names.index(name)
    return numbers


def list_sectors(metadata: PanelMetadata) -> list[str]:
    """List the names of all sectors."""
    return sorted({name for history in metadata.sectors for _, name in history})
