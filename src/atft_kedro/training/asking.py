"""From a block's forecasts to the question that the losses answer."""

import torch
from torch import Tensor
from torch.nn import functional

from ..labels import transform_labels
from ..losses import Question
from ..network.atft import Atft
from ..panel.blocks import Block
from ..panel.store import PanelMeaning
from ..params import InputError
from .mode import TrainingParams

SECTOR = "sector"


class Asking:
    """Puts forecasts beside what they should be, and beside what they should not be exposed to."""

    def __init__(self, network: Atft, meaning: PanelMeaning, params: TrainingParams) -> None:
        unknown = sorted(set(params.exposures) - {*meaning.features, SECTOR})
        if unknown:
            raise InputError(f"training.exposures: {unknown} are no features of this panel, nor {SECTOR!r}.")
        self.network, self.params = network, params
        self.places = [meaning.features.index(name) for name in params.exposures if name != SECTOR]
        known = sorted({sector for sector in meaning.sectors if sector is not None})
        numbers: dict[str | None, int] = {sector: number for number, sector in enumerate(known)}
        self.sector = torch.tensor([numbers.get(sector, -1) for sector in meaning.sectors] or [-1])
        self.levels = torch.tensor(network.params.quantiles, device=network.heads.straight.weight.device)
        self.sectors = len(known) if SECTOR in params.exposures else 0

    def __call__(self, block: Block, forecast: Tensor) -> Question:
        """Ask about every day, horizon and stock of a block."""
        returns = block.targets.transpose(1, 2)  # (day, horizon, stock)
        gaussian = self.params.labels.transform == "gaussian_rank"
        label, valid = transform_labels(
            returns, returns.isfinite(), self.params.labels.drop_extremes, gaussian=gaussian
        )
        quantiles = forecast.float().transpose(1, 2)
        return Question(
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
        if self.sectors:
            number = self.sector.to(place.device)[block.stock.clamp(min=0)]
            member = functional.one_hot(number.clamp(min=0), self.sectors).float()
            member = member.where((number >= 0).unsqueeze(-1), torch.nan)
            mine = torch.cat([mine, member.expand(len(place), -1, -1)], -1)
        return mine.transpose(1, 2)
