"""Frequency adaptive normalization: the strongest frequencies taken out, and carried on into the future."""

import math

import torch
from torch import Tensor, nn


class FrequencyNorm(nn.Module):
    r"""Split each channel's trailing window into its strongest Fourier components and the rest, at its last step.

    With the window's spectrum :math:`X_f = \sum_j x_j e^{-2 \pi i f j / W}` and the k bins of largest magnitude
    :math:`S`, the main part h steps behind the window's end is

    .. math:: \frac{1}{W} \sum_{f \in S} c_f\, \mathrm{Re}(X_f e^{2 \pi i f (W - 1 + h) / W}), \quad c_f \in \{1, 2\}

    and the residual is :math:`x_{W-1}` less the main part at h = 0. After "Frequency Adaptive Normalization" (Ye et
    al., 2024), which splits a whole window once and predicts the main part by a network. Ours slides: every step is
    the end of its own window, of which only the end point is needed, so the spectrum is one matrix product; the
    main part is continued by its own waves. How much is taken out is a gate per channel, zero at first.

    Shapes: ``(stock, step, hidden) -> (stock, step − window + 1, hidden)`` and
    ``(stock, channel, step − window + 1, horizon)``
    """

    basis: Tensor
    wave: Tensor

    def __init__(self, channels: int, window: int, k: int, horizons: tuple[int, ...]) -> None:
        super().__init__()
        self.channels, self.window, self.k = channels, window, k
        self.gate = nn.Parameter(torch.zeros(channels))
        self.register_buffer("basis", fourier_basis(window), persistent=False)
        self.register_buffer("wave", wave_at(window, (0, *horizons)), persistent=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Take the gated main part out of ``x``, and continue it to every horizon."""
        x = x.float()
        with torch.autocast(x.device.type, enabled=False):  # no Fourier transform in 16 bits
            main = self.split(x[..., : self.channels].transpose(1, 2))  # (stock, channel, step, 1 + horizon)
        latest = x[:, self.window - 1 :]
        taken = latest[..., : self.channels] - self.gate * main[..., 0].transpose(1, 2)
        return torch.cat([taken, latest[..., self.channels :]], -1), main[..., 1:]

    def split(self, x: Tensor) -> Tensor:
        """Find the main part of (stock, channel, step) at each window's end and at every horizon behind it."""
        spectrum = self.transform(x)
        return (spectrum * self.strongest(spectrum)) @ self.wave

    def transform(self, x: Tensor) -> Tensor:
        """Transform every window of (stock, channel, step): (stock, channel, window end, 2 frequency)."""
        return (x @ self.sliding_basis(x.shape[-1])).unflatten(-1, (-1, self.basis.shape[1]))

    def strongest(self, spectrum: Tensor) -> Tensor:
        """Mark the strongest frequencies (…, 2 frequency), real parts first."""
        with torch.no_grad():
            real, imaginary = spectrum.chunk(2, -1)
            strength = real.square() + imaginary.square()
            weakest = strength.topk(self.k, -1).values[..., -1:]
            mark = (strength >= weakest).to(spectrum.dtype)
            return torch.cat([mark, mark], -1)

    def sliding_basis(self, steps: int) -> Tensor:
        """Write the transform of every window of a sequence as one matrix (step, window end x 2 frequency).

        Most of it is zero, and still it is the fastest way: one large product, nothing unfolded.
        """
        ends = steps - self.window + 1
        matrix = self.basis.new_zeros(steps, ends, self.basis.shape[1])
        place = torch.arange(ends, device=self.basis.device)
        for step in range(self.window):
            matrix[place + step, place] = self.basis[step]
        return matrix.flatten(1)

    def extra_repr(self) -> str:
        """Name the sizes."""
        return f"channels={self.channels}, window={self.window}, k={self.k}"


def fourier_basis(window: int) -> Tensor:
    """Write the discrete Fourier transform of a real window as a matrix (window, 2 frequency)."""
    angle = _angles(window, torch.arange(window))
    return torch.cat([angle.cos(), -angle.sin()], -1).float()


def wave_at(window: int, ahead: tuple[int, ...]) -> Tensor:
    """Write the inverse transform at steps behind the window's last one as a matrix (2 frequency, ahead)."""
    angle = _angles(window, window - 1 + torch.tensor(ahead))
    frequencies = angle.shape[-1]
    both_sides = torch.full((frequencies,), 2.0, dtype=torch.float64)
    both_sides[0] = 1  # the constant has no mirror image, and neither has the shortest wave of an even window
    if window % 2 == 0:
        both_sides[-1] = 1
    return torch.cat([angle.cos() * both_sides, -angle.sin() * both_sides], -1).t().float() / window


def _angles(window: int, step: Tensor) -> Tensor:
    """Turn each frequency to each step (step, frequency)."""
    turns = step.double().unsqueeze(1) * torch.arange(window // 2 + 1) / window
    return 2 * math.pi * turns
