"""Checks that a plugged-in loss has finite gradients and ignores masked stocks."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from .losses import LOSSES, LossFunction, LossInputs
from .params import InputError

DAYS, HORIZONS, STOCKS = 5, 2, 12  # sizes of the random inputs
LEVELS = (0.1, 0.5, 0.9)  # quantiles of the random inputs
TOLERANCE = 1e-5  # of a loss that masked stocks must not change


def require_usable(losses: Mapping[str, LossFunction]) -> None:
    """Refuse a plugged-in loss that would break a training; random numbers stay the same."""
    for name in losses.keys() - LOSSES.keys():
        with torch.random.fork_rng(devices=[]):
            fault = next(_find_faults(losses[name]), None)
        if fault is not None:
            raise InputError(f"The loss {name} cannot be trained: {fault}.")


def _find_faults(loss: LossFunction) -> Iterator[str]:
    """Find what is wrong with the values, gradients and masks of a loss."""
    inputs = _draw_inputs()
    flat = torch.zeros_like(inputs.quantiles)
    no_labels = replace(inputs, valid=torch.zeros_like(inputs.valid), returns=torch.full_like(inputs.label, torch.nan))
    no_stocks = replace(no_labels, is_forecast=torch.zeros_like(inputs.is_forecast))
    cases = (
        ("random forecasts", inputs, inputs.quantiles),
        ("equal forecasts", inputs, flat),
        ("days without labels", no_labels, inputs.quantiles),
        ("days without stocks", no_stocks, flat),
    )
    for case, given, quantiles in cases:
        value, gradient = _differentiate(loss, given, quantiles)
        if value.shape != (HORIZONS,):
            yield f"it returns the shape {tuple(value.shape)}, not one value for each of {HORIZONS} horizons"
        if not value.isfinite().all():
            yield f"its value is not finite with {case}"
        if not gradient.isfinite().all():
            yield f"its gradient is not finite with {case}"
    value, gradient = _differentiate(loss, inputs, inputs.quantiles)
    if not gradient.any():
        yield "its gradient is zero, so that no forecast changes it"
    is_masked = ~inputs.is_forecast.unsqueeze(1) & ~inputs.valid  # (day, horizon, stock)
    other = inputs.quantiles + 3 * is_masked.unsqueeze(-1)
    if not torch.allclose(_differentiate(loss, inputs, other)[0], value, atol=TOLERANCE):
        yield "the forecasts of masked stocks change it; use inputs.valid or inputs.is_forecast"


def _differentiate(loss: LossFunction, inputs: LossInputs, quantiles: Tensor) -> tuple[Tensor, Tensor]:
    """Compute a loss of forecasts and its gradient (day, horizon, stock, quantile)."""
    torch.manual_seed(0)
    forecasts = quantiles.clone().requires_grad_()
    value = loss(replace(inputs, point=forecasts[..., len(LEVELS) // 2], quantiles=forecasts))
    if not value.requires_grad:
        return value, torch.zeros_like(quantiles)
    (gradient,) = torch.autograd.grad(value.sum(), forecasts, allow_unused=True, materialize_grads=True)
    return value.detach(), gradient


def _draw_inputs() -> LossInputs:
    """Draw random forecasts and labels; some stocks are unlabelled, some are masked, on one day all."""
    random = torch.Generator().manual_seed(0)
    shape = (DAYS, HORIZONS, STOCKS)
    is_forecast = torch.arange(STOCKS).expand(DAYS, -1) % 4 > 0
    is_forecast = is_forecast & (torch.arange(DAYS) < DAYS - 1).unsqueeze(-1)
    valid = is_forecast.unsqueeze(1) & (torch.rand(shape, generator=random) > 0.2)
    label = torch.randn(shape, generator=random)
    quantiles = torch.randn((*shape, len(LEVELS)), generator=random).sort(-1).values
    return LossInputs(
        point=quantiles[..., len(LEVELS) // 2],
        quantiles=quantiles,
        label=label.where(valid, 0),
        returns=(label * 0.02).where(valid, torch.nan),
        valid=valid,
        is_forecast=is_forecast,
        exposures=torch.randn((DAYS, 1, STOCKS), generator=random),
        quantile_levels=torch.tensor(LEVELS),
        min_deviation=1.5,
    )
