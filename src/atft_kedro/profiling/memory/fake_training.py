"""Simulate a training with fake tensors, which have shapes but no data, and count its memory."""

import warnings
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ...network.atft import Atft
from ...network.params import ModuleName, NetworkParams
from ...panel.blocks import Block, BlockReader, PanelGraphs
from ...panel.sampler import BlockSampler
from ...panel.store import Panel
from ...training.data import DayLoader
from ...training.distributed import TrainingProcesses
from ...training.engine import Trainer
from ...training.forecasting import make_plain_scoring, score_days
from ...training.params import TrainingParams
from ...training.phases import PhaseParams
from .sizes import PanelSizes

SCORING_BLOCKS = 16  # enough that the memory to read one of them is negligible

aten = torch.ops.aten


@dataclass(frozen=True)
class MemoryUse:
    """Bytes that a training holds all the time, and those that it needs in addition at a peak."""

    panel: int
    graphs: int
    index: int  # day and stock of each row
    weights: int
    averages: int
    optimizer: int
    step: int  # at the peak of a step: activations and gradients
    phase: str  # the phase whose steps need the most
    scoring: int  # at the peak of scoring the validation days


class CopyableFakeMode(FakeTensorMode):  # type: ignore[no-untyped-call]
    """A fake tensor mode that is not copied: a copy would free its references twice."""

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return self


class MemoryCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Count the bytes of all existing tensors while operations create and release them.

    Fake tensors have no values: each number that Python reads is 1, masks select all, and ``nonzero`` finds ``rows``
    cells.
    """

    def __init__(self, rows: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.rows, self.current, self.last_current, self.last_peak, self.peak = rows, 0, 0, 0, 0
        self._storages: set[int] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run an operation and count its results."""
        if func is aten._local_scalar_dense.default:
            return 1
        if func is aten.nonzero.default:
            return torch.empty((self.rows, args[0].ndim), dtype=torch.int64, device=args[0].device)
        if func is aten.index.Tensor:
            args = (args[0], [_select_all(index) for index in args[1]])
        result = func(*args, **(kwargs or {}))
        tensors = [tensor for tensor in tree_leaves(result) if isinstance(tensor, Tensor)]
        for tensor in tensors:
            self._count(tensor.untyped_storage())
        self.peak = max(self.peak, self.current + _count_converted(func, args, tensors))
        return result

    def pop_peak(self) -> int:
        """Return the peak since the previous call, above the level at that call."""
        rise = self.peak - self.last_peak
        self.last_peak = self.peak = self.current
        return rise

    def pop_growth(self) -> int:
        """Return how many bytes the existing tensors have grown since the previous call."""
        growth, self.last_current = self.current - self.last_current, self.current
        return growth

    def _count(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key not in self._storages:
            self._storages.add(key)
            self.current += size
            weakref.finalize(storage, self._release, key, size).atexit = False

    def _release(self, key: int, size: int) -> None:
        self._storages.discard(key)
        self.current -= size


def _select_all(index: Tensor | None) -> Tensor | None:
    """Replace a mask by the indices of all its elements."""
    if index is None or index.dtype != torch.bool:
        return index
    return torch.arange(index.numel(), device=index.device)


def _count_converted(func: Any, args: Sequence[Any], results: Sequence[Tensor]) -> int:
    """Count the bytes of operands that a CPU copies to convert them to a common type."""
    if torch.Tag.pointwise not in func.tags or not results:
        return 0
    operands = [tensor for tensor in args if isinstance(tensor, Tensor) and tensor.ndim and tensor.is_floating_point()]
    common = max((tensor.dtype for tensor in operands), key=lambda dtype: dtype.itemsize, default=results[0].dtype)
    return sum(tensor.numel() * common.itemsize for tensor in operands if tensor.dtype != common)


def simulate_training(sizes: PanelSizes, network: NetworkParams, training: TrainingParams) -> MemoryUse:
    """Simulate a step of every phase and the scoring of all validation days.

    The operations are those of a CPU without compilation; a GPU needs about the same, except for its kernels.
    """
    days = training.days_per_block
    training = training.model_copy(update={"compile": False, "scored_share": 0.0})
    with _fake_tensors(sizes.rows) as counter:
        panel = _make_panel(sizes)
        panel_bytes = counter.pop_growth()
        graphs = _make_graphs(sizes)
        graph_bytes = counter.pop_growth()
        train, validation = (_make_reader(panel, graphs, network.lookback, days, sizes.block_stocks) for _ in range(2))
        index_bytes = counter.pop_growth()
        model = Atft(network, len(sizes.metadata.features), sizes.metadata.horizons, sizes.edge_attributes)
        weight_bytes = counter.pop_growth()
        sampler = BlockSampler([np.arange(sizes.validation_days)], days, training.seed)
        trainer = Trainer(model, DayLoader(train, sampler), DayLoader(validation, sampler), training)
        average_bytes = counter.pop_growth()
        step, phase = max((_measure_step(trainer, phase, counter), phase.name) for phase in training.curriculum)
        scoring = _measure_scoring(model, panel, graphs, sizes, counter)
        state = tree_leaves(list(trainer.train_step.optimizer.state.values()))
        optimizer = sum(tensor.nbytes for tensor in state if isinstance(tensor, Tensor))
    permanent = (panel_bytes, graph_bytes, index_bytes, weight_bytes, average_bytes, optimizer)
    return MemoryUse(*permanent, step, phase, scoring)


def _measure_step(trainer: Trainer, phase: PhaseParams, counter: MemoryCounter) -> int:
    """Measure the peak of a phase's training step."""
    for name, child in trainer.network.named_children():
        child.requires_grad_(name not in phase.freeze)
    trainer.train_step.reset_optimizer()
    counter.pop_peak()
    trainer.train_step.run([np.arange(trainer.params.days_per_block)], phase, phase.learning_rate)
    return counter.pop_peak()


class EmptyNetwork(Atft):
    """A network that returns empty forecasts, to measure scoring without the forward pass."""

    def forward(self, block: Block, modules: frozenset[ModuleName] = frozenset()) -> Tensor:
        """Allocate the forecasts."""
        return torch.empty((*block.step_of_day.shape, len(self.horizons), len(self.params.quantiles)))


def _measure_scoring(
    network: Atft, panel: Panel, graphs: PanelGraphs, sizes: PanelSizes, counter: MemoryCounter
) -> int:
    """Measure the peak of scoring the validation days, without the network's forward pass."""
    empty = EmptyNetwork(network.params, len(sizes.metadata.features), network.horizons, sizes.edge_attributes)
    days = ceil(sizes.validation_days / SCORING_BLOCKS)
    reader = _make_reader(panel, graphs, 1, days, sizes.block_stocks)
    blocks = BlockSampler([np.arange(sizes.validation_days)], days, seed=0).chronological()
    counter.pop_peak()
    score_days(empty, reader, blocks, frozenset(), make_plain_scoring(len(network.horizons)), TrainingProcesses())
    return counter.pop_peak()


@contextmanager
def _fake_tensors(rows: int) -> Iterator[MemoryCounter]:
    """Make all tensors fake, and count them."""
    with warnings.catch_warnings(), CopyableFakeMode(allow_non_fake_inputs=True), MemoryCounter(rows) as counter:
        warnings.filterwarnings("ignore", "Accessing the data pointer of FakeTensor")  # deepcopy does that
        yield counter


def _make_panel(sizes: PanelSizes) -> Panel:
    metadata = sizes.metadata
    by_day = (len(metadata.days), len(metadata.codes))
    return Panel(
        metadata=metadata,
        identity="fake",
        features=torch.empty((sizes.rows + 1, len(metadata.features)), dtype=torch.float16),
        targets=torch.empty((sizes.rows + 1, len(metadata.horizons))),
        row_of=torch.empty(by_day, dtype=torch.int32),
        eligible=torch.empty(by_day, dtype=torch.bool),
        market=torch.empty((len(metadata.days), 2 * len(metadata.features))),
    )


def _make_graphs(sizes: PanelSizes) -> PanelGraphs:
    shape = (sizes.graphs, len(sizes.metadata.codes), sizes.neighbours)
    return PanelGraphs(
        neighbours=torch.empty(shape, dtype=torch.int32),
        edges=torch.empty((*shape, sizes.edge_attributes), dtype=torch.float16),
        graph_of=torch.empty(len(sizes.metadata.days), dtype=torch.int64),
    )


def _make_reader(panel: Panel, graphs: PanelGraphs, lookback: int, days: int, stocks: int) -> BlockReader:
    reader = BlockReader(panel, graphs, lookback, days)
    reader.stocks = stocks
    return reader
