"""Frequency adaptive normalization: removes the dominant frequencies and extrapolates them."""

import math

import torch
from torch import Tensor, nn


class FrequencyNorm(nn.Module):
    r"""Split of each channel's trailing window into its main Fourier components and a residual.

    With the window's spectrum :math:`X_f = \sum_j x_j e^{-2 \pi i f j / W}` and the k frequencies of largest magnitude
    :math:`S`, the main component h steps after the window's end is

    .. math:: \frac{1}{W} \sum_{f \in S} c_f\, \mathrm{Re}(X_f e^{2 \pi i f (W - 1 + h) / W}), \quad c_f \in \{1, 2\}

    and the residual is :math:`x_{W-1}` minus the main component at h = 0. After "Frequency Adaptive Normalization" (Ye
    et al., 2024), which splits a whole window once and predicts the main component by a network. Ours slides: each step
    is the end of a window, and only the end point of a window is needed, so the spectrum is one matrix product. The
    main component is extrapolated by its own waves. A gate per channel, zero at first, scales how much is removed.

    Shapes: ``(stock, step, hidden) -> (stock, step − window + 1, hidden)`` and
    ``(stock, channel, step − window + 1, horizon)``
    """

    fourier_matrix: Tensor
    inverse_matrix: Tensor

    def __init__(self, channels: int, window: int, k: int, horizons: tuple[int, ...]) -> None:
        super().__init__()
        self.channels, self.window, self.k = channels, window, k
        self.gate = nn.Parameter(torch.zeros(channels))
        self.register_buffer("fourier_matrix", make_fourier_matrix(window), persistent=False)
        self.register_buffer("inverse_matrix", make_inverse_matrix(window, (0, *horizons)), persistent=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Subtract the gated main component from ``x``, and extrapolate it to every horizon."""
        x = x.float()
        with torch.autocast(x.device.type, enabled=False):  # no Fourier transform in 16 bits
            main = self.extrapolate(x[..., : self.channels].transpose(1, 2))  # (stock, channel, step, 1 + horizon)
        latest = x[:, self.window - 1 :]
        residual = latest[..., : self.channels] - self.gate * main[..., 0].transpose(1, 2)
        return torch.cat([residual, latest[..., self.channels :]], -1), main[..., 1:]

    def extrapolate(self, x: Tensor) -> Tensor:
        """Compute the main component at each window's end and every horizon after it.

        Shapes: ``(stock, channel, step) -> (stock, channel, window end, 1 + horizon)``
        """
        spectrum = self.transform(x)
        return (spectrum * self.mark_strongest(spectrum)) @ self.inverse_matrix

    def transform(self, x: Tensor) -> Tensor:
        """Transform every window: (stock, channel, step) -> (stock, channel, end, 2 frequency)."""
        return (x @ self.make_sliding_matrix(x.shape[-1])).unflatten(-1, (-1, self.fourier_matrix.shape[1]))

    def mark_strongest(self, spectrum: Tensor) -> Tensor:
        """Mark the k strongest frequencies (…, 2 frequency) with ones; with ties more than k."""
        with torch.no_grad():
            real, imaginary = spectrum.chunk(2, -1)
            power = real.square() + imaginary.square()
            threshold = power.topk(self.k, -1).values[..., -1:]
            mark = (power >= threshold).to(spectrum.dtype)
            return torch.cat([mark, mark], -1)

    def make_sliding_matrix(self, steps: int) -> Tensor:
        """Create the matrix (step, end x 2 frequency) that transforms every window.

        Most of it is zero, but one large product is still faster than unfolding the windows.
        """
        ends = steps - self.window + 1
        matrix = self.fourier_matrix.new_zeros(steps, ends, self.fourier_matrix.shape[1])
        end = torch.arange(ends, device=self.fourier_matrix.device)
        for step in range(self.window):
            matrix[end + step, end] = self.fourier_matrix[step]
        return matrix.flatten(1)

    def extra_repr(self) -> str:
        """Return the sizes."""
        return f"channels={self.channels}, window={self.window}, k={self.k}"


def make_fourier_matrix(window: int) -> Tensor:
    """Create the matrix (window, 2 frequency) of the real discrete Fourier transform."""
    angle = _angles(window, torch.arange(window))
    return torch.cat([angle.cos(), -angle.sin()], -1).float()


def make_inverse_matrix(window: int, ahead: tuple[int, ...]) -> Tensor:
    """Create the matrix (2 frequency, ahead) of the inverse transform at later steps."""
    angle = _angles(window, window - 1 + torch.tensor(ahead))
    frequencies = angle.shape[-1]
    multiplicity = torch.full((frequencies,), 2.0, dtype=torch.float64)
    multiplicity[0] = 1  # the constant has no mirror image, nor has the highest frequency of an even window
    if window % 2 == 0:
        multiplicity[-1] = 1
    return torch.cat([angle.cos() * multiplicity, -angle.sin() * multiplicity], -1).t().float() / window


def _angles(window: int, step: Tensor) -> Tensor:
    """Compute the angle of each frequency at each step (step, frequency)."""
    turns = step.double().unsqueeze(1) * torch.arange(window // 2 + 1) / window
    return 2 * math.pi * turns
