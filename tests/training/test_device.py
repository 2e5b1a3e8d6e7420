"""A training and its forecasts stay on their device; the GPU is simulated, because no test has one."""

import ctypes
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from atft_kedro.losses import LOSSES
from atft_kedro.network.atft import Atft
from atft_kedro.network.attention_stats import collect_attention
from atft_kedro.panel.blocks import BlockReader
from atft_kedro.panel.sampler import BlockSampler
from atft_kedro.profiling.memory.fake_training import CopyableFakeMode, MemoryCounter
from atft_kedro.training.data import DayLoader, TrainingData
from atft_kedro.training.engine import Trainer
from atft_kedro.training.forecasting import TrainedNetwork, forecast_blocks
from atft_kedro.training.params import TrainingParams
from atft_kedro.training.telemetry import Stopwatch
from factories.params import make_params
from factories.training import NETWORK

CUDA, META = 1, 14  # torch's numbers of devices
DAYS = 8
EVERYTHING = {
    "name": "all",
    "epochs": 1,
    "learning_rate": 1e-3,
    "modules": ["fan", "gat", "tokens"],
    "loss": dict.fromkeys(LOSSES, 0.1),
    "augment": {"feature_noise": 0.1, "time_mask": 2, "segment_permutation": 2, "mixup": 0.2, "edge_dropout": 0.1},
}
TRAINING = make_params(
    TrainingParams,
    phases=[EVERYTHING],
    days_per_block=DAYS,
    exposures=["beta_60", "sector"],
    scale_floor=0.1,
)
SIZE = NETWORK.model_copy(update={"market_tokens": 2, "graph_signed_heads": 1, "head_dropout": 0.1, "dropout": 0.1})
UNFIT = {"cumsum", "histc", "median", "nanmedian", "put_", "bincount"}  # not deterministic on a GPU, of real numbers


class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Records operations on the GPU that have no deterministic implementation there."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.unfit: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name, first = func.overloadpacket.__name__, next((value for value in args if isinstance(value, Tensor)), None)
        if name in UNFIT and first is not None and first.device.type == "cuda" and first.is_floating_point():
            self.unfit.add(name)
        return func(*args, **(kwargs or {}))


@contextmanager
def without_device_guard() -> Iterator[None]:
    """Use the device guard of ``meta`` for CUDA, because a torch without CUDA has no guard."""
    library = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / "libc10.so"))
    guards = (ctypes.c_void_p * (META + 1)).in_dll(library, "_ZN3c104impl26device_guard_impl_registryE")
    before = guards[CUDA]
    guards[CUDA] = before or guards[META]
    try:
        yield
    finally:
        guards[CUDA] = before


@contextmanager
def simulating_gpu(rows: int) -> Iterator[Recorder]:
    """Create tensors with shapes and devices but without numbers."""
    imagination = CopyableFakeMode(allow_non_fake_inputs=True)
    with warnings.catch_warnings(), without_device_guard(), imagination, MemoryCounter(rows), Recorder() as recorder:
        warnings.filterwarnings("ignore", "Accessing the data pointer of FakeTensor")
        yield recorder


def to_gpu(holder: Any) -> Any:
    """Move every tensor of a dataclass to a simulated GPU."""
    tensors = {field.name: getattr(holder, field.name) for field in fields(holder)}
    moved = {
        name: torch.empty(tensor.shape, dtype=tensor.dtype, device="cuda")
        for name, tensor in tensors.items()
        if isinstance(tensor, Tensor)
    }
    return replace(holder, **moved)


def make_gpu_trainer(training_data: TrainingData, monkeypatch: pytest.MonkeyPatch) -> Trainer:
    """Make a trainer on a simulated GPU; gradients are set by hand, as autograd needs a real GPU."""
    panel, graphs = to_gpu(training_data.panel), to_gpu(training_data.graphs)
    reader = BlockReader(panel, graphs, SIZE.lookback, DAYS)
    reader.stocks = 16
    with torch.device("cuda"):
        network = Atft(SIZE, panel.features.shape[1], panel.metadata.horizons, graphs.edges.shape[-1])

    def set_gradients(loss: Tensor) -> None:
        assert loss.device.type == "cuda"
        assert loss.requires_grad
        for weight in network.parameters():
            weight.grad = torch.empty_like(weight)

    monkeypatch.setattr(Tensor, "backward", set_gradients)
    loader = DayLoader(reader, BlockSampler([np.arange(40, 40 + 2 * DAYS)], DAYS, seed=1))
    trainer = Trainer(network, loader, loader, TRAINING)
    trainer.train_step.read_stopwatch = Stopwatch(torch.device("cpu"))  # a GPU that is not there has no clock
    return trainer


def test_a_step_a_validation_and_forecasts_stay_on_a_gpu(
    training_data: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    with simulating_gpu(len(training_data.panel.features)) as recorder:
        trainer = make_gpu_trainer(training_data, monkeypatch)
        network, loader, phase = trainer.network, trainer.train, TRAINING.phases[0]
        terms = trainer.train_step.run(list(loader.sampler.chronological()), phase, 1e-3)
        loss, _ = trainer.train_step.pop_totals()
        days = list(loader.sampler.chronological())
        scores = trainer.validate(network)
        (forecasts,) = forecast_blocks([TrainedNetwork(network, frozenset(phase.modules))], loader.reader, days)
        stats = collect_attention(network, loader.reader, days)

    assert {terms[name].device.type for name in phase.loss.positive_weights()} == {"cuda"}
    assert {weight.device.type for weight in network.state_dict().values()} == {"cuda"}
    assert isinstance(loss, float)
    assert "rank_ic" in scores
    assert {tensor.device.type for tensor in (forecasts.day, forecasts.quantiles, forecasts.targets)} == {"cpu"}
    assert {tensor.device.type for tensor in (*stats.day, *stats.features, *stats.neighbours)} == {"cpu"}
    assert recorder.unfit == set()


def test_a_tensor_on_the_wrong_device_is_found(training_data: TrainingData, monkeypatch: pytest.MonkeyPatch) -> None:
    with simulating_gpu(len(training_data.panel.features)):
        trainer = make_gpu_trainer(training_data, monkeypatch)
        trainer.train_step.loss_input_builder.quantile_levels = (
            trainer.train_step.loss_input_builder.quantile_levels.cpu()
        )

        with pytest.raises(RuntimeError, match="at least two devices"):
            trainer.train_step.run(list(trainer.train.sampler.chronological()), TRAINING.phases[0], 1e-3)
