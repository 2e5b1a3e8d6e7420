"""The sliding Fourier split equals a split of every window."""

import numpy as np
import pytest
import torch

from atft_kedro.network.fan import FrequencyNorm


def strongest_waves(window: np.ndarray, k: int, ahead: int) -> float:
    """Compute the main component of one window, ``ahead`` steps after its end, with NumPy."""
    spectrum = np.fft.rfft(window)
    kept = np.argsort(-np.abs(spectrum))[:k]
    step = len(window) - 1 + ahead
    total = 0.0
    for frequency in kept:
        mirrored = 0 < frequency < len(window) / 2
        wave = spectrum[frequency] * np.exp(2j * np.pi * frequency * step / len(window))
        total += (2 if mirrored else 1) * wave.real / len(window)
    return total


@pytest.mark.parametrize("window", [8, 7])
@pytest.mark.parametrize("k", [1, 3])
def test_the_fourier_split_equals_a_split_of_every_window(window: int, k: int) -> None:
    x = torch.randn(3, 20, 4, generator=torch.Generator().manual_seed(1))
    fan = FrequencyNorm(channels=4, window=window, k=k, horizons=(1, 5))

    main = fan.extrapolate(x.transpose(1, 2)).detach().numpy()

    for stock in range(3):
        for end in range(20 - window + 1):
            for channel in range(4):
                piece = x[stock, end : end + window, channel].double().numpy()
                expected = [strongest_waves(piece, k, ahead) for ahead in (0, 1, 5)]
                assert np.allclose(main[stock, channel, end], expected, atol=1e-5)


def test_with_all_frequencies_the_main_component_is_the_whole_signal() -> None:
    x = torch.randn(2, 15, 3, generator=torch.Generator().manual_seed(2))
    fan = FrequencyNorm(channels=3, window=8, k=5, horizons=(1,))
    with torch.no_grad():
        fan.gate.fill_(1)

    residual, _ = fan(x)

    assert residual.abs().max() < 1e-5


def test_a_pure_wave_is_removed_and_extrapolated_exactly() -> None:
    step = torch.arange(40.0)
    x = torch.cos(2 * torch.pi * 2 * step / 16 + 0.7).view(1, -1, 1)
    fan = FrequencyNorm(channels=1, window=16, k=1, horizons=(1, 5))
    with torch.no_grad():
        fan.gate.fill_(1)

    residual, ahead = fan(x)

    assert residual.abs().max() < 1e-5
    assert torch.allclose(ahead[0, 0, :-5, 0], x[0, 16:-4, 0], atol=1e-5)
    assert torch.allclose(ahead[0, 0, :-5, 1], x[0, 20:, 0], atol=1e-5)


def test_the_split_starts_as_the_identity() -> None:
    x = torch.randn(2, 12, 6)

    left, _ = FrequencyNorm(channels=4, window=5, k=2, horizons=(1,))(x)

    assert torch.equal(left, x[:, 4:])
