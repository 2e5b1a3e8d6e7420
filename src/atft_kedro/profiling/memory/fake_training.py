"""A training on tensors that are not there: the very steps of a real one, and how much each would hold."""

import warnings
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ...network.atft import Atft
from ...network.params import ModuleName, NetworkParams
from ...panel.blocks import Block, BlockReader, DailyGraphs
from ...panel.sampler import BlockSampler
from ...panel.store import Panel
from ...training.data import DayLoader
from ...training.distributed import ProcessGroup
from ...training.engine import Trainer
from ...training.forecasting import make_plain_scoring, score_days
from ...training.params import TrainingParams
from ...training.phases import PhaseParams
from .sizes import Sizes

SCORED_IN = 16  # blocks: enough that what reading one holds does not count

aten = torch.ops.aten


@dataclass(frozen=True)
class Walk:
    """Bytes that a training holds all the time, and that its largest moments hold beside them."""

    panel: int
    graphs: int
    index: int  # which day and stock each row is of
    weights: int
    averages: int
    optimizer: int
    step: int  # activations and gradients
    phase: str  # whose step that is
    scoring: int  # of the validation days


class Imagination(FakeTensorMode):  # type: ignore[no-untyped-call]
    """Tensors have shapes and no numbers, and a copy of one is as imagined as the first.

    Without that a copy would copy the mode, with references that then are freed twice.
    """

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return self


class Tally(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of all tensors that live, as operations make them and as they are let go.

    Where a number decides what happens next it is 1, where a mask does all of it holds, and of a panel's cells as many
    as there are ``rows``.
    """

    def __init__(self, rows: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.rows, self.now, self.noted, self.floor, self.peak = rows, 0, 0, 0, 0
        self._living: set[int] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Do what is asked, and count what it makes."""
        if func is aten._local_scalar_dense.default:
            return 1
        if func is aten.nonzero.default:
            return torch.empty((self.rows, args[0].ndim), dtype=torch.int64, device=args[0].device)
        if func is aten.index.Tensor:
            args = (args[0], [_all_of(index) for index in args[1]])
        made = func(*args, **(kwargs or {}))
        tensors = [tensor for tensor in tree_leaves(made) if isinstance(tensor, Tensor)]
        for tensor in tensors:
            self._count(tensor.untyped_storage())
        self.peak = max(self.peak, self.now + _converted(func, args, tensors))
        return made

    def take(self) -> int:
        """Tell how much more than at first was held at the most, since last asked."""
        rise = self.peak - self.floor
        self.floor = self.peak = self.now
        return rise

    def grow(self) -> int:
        """Tell how much more lives than when last asked."""
        grown, self.noted = self.now - self.noted, self.now
        return grown

    def _count(self, storage: torch.UntypedStorage) -> None:
        name, size = storage._cdata, storage.nbytes()
        if name not in self._living:
            self._living.add(name)
            self.now += size
            weakref.finalize(storage, self._forget, name, size).atexit = False

    def _forget(self, name: int, size: int) -> None:
        self._living.discard(name)
        self.now -= size


def _all_of(index: Tensor | None) -> Tensor | None:
    """Take every place that a mask could hold."""
    if index is None or index.dtype != torch.bool:
        return index
    return torch.arange(index.numel(), device=index.device)


def _converted(func: Any, args: Sequence[Any], made: Sequence[Tensor]) -> int:
    """Count the copies that a processor makes of operands of another type, while it works on them."""
    if torch.Tag.pointwise not in func.tags or not made:
        return 0
    operands = [each for each in args if isinstance(each, Tensor) and each.ndim and each.is_floating_point()]
    common = max((each.dtype for each in operands), key=lambda dtype: dtype.itemsize, default=made[0].dtype)
    return sum(each.numel() * common.itemsize for each in operands if each.dtype != common)


def walk_through(sizes: Sizes, network: NetworkParams, training: TrainingParams) -> Walk:
    """Take one step of every phase and score all validation days, holding nothing.

    The operations are those of a processor, uncompiled; a GPU's hold as much, but for details of its kernels.
    """
    days = training.days_per_block
    training = training.model_copy(update={"compile": False, "scored_share": 0.0})
    with _imagining(sizes.rows) as tally:
        panel = _imagine_panel(sizes)
        panel_bytes = tally.grow()
        graphs = _imagine_graphs(sizes)
        graph_bytes = tally.grow()
        train, validation = (_make_reader(panel, graphs, network.lookback, days, sizes.active) for _ in range(2))
        index_bytes = tally.grow()
        model = Atft(network, len(sizes.metadata.features), sizes.metadata.horizons, sizes.attributes)
        weight_bytes = tally.grow()
        scored = BlockSampler([np.arange(sizes.validation_days)], days, training.seed)
        trainer = Trainer(model, DayLoader(train, scored), DayLoader(validation, scored), training)
        average_bytes = tally.grow()
        step, phase = max((_step(trainer, phase, tally), phase.name) for phase in training.curriculum)
        scoring = _score(model, panel, graphs, sizes, tally)
        state = tree_leaves(list(trainer.train_step.optimizer.state.values()))
        optimizer = sum(each.nbytes for each in state if isinstance(each, Tensor))
    held = (panel_bytes, graph_bytes, index_bytes, weight_bytes, average_bytes, optimizer)
    return Walk(*held, step, phase, scoring)


def _step(trainer: Trainer, phase: PhaseParams, tally: Tally) -> int:
    """Learn as a phase does, and tell what that holds."""
    for name, child in trainer.network.named_children():
        child.requires_grad_(name not in phase.freeze)
    trainer.train_step.reset_optimizer()
    tally.take()
    trainer.train_step.run([np.arange(trainer.params.days_per_block)], phase, phase.learning_rate)
    return tally.take()


class Silent(Atft):
    """Says nothing, at once: what scoring then holds is what it makes of forecasts."""

    def forward(self, block: Block, modules: frozenset[ModuleName] = frozenset()) -> Tensor:
        """Lay out room for the forecasts."""
        return torch.empty((*block.slot.shape, len(self.horizons), len(self.params.quantiles)))


def _score(network: Atft, panel: Panel, graphs: DailyGraphs, sizes: Sizes, tally: Tally) -> int:
    """Score the validation days, and tell what that holds beside what makes the forecasts."""
    silent = Silent(network.params, len(sizes.metadata.features), network.horizons, sizes.attributes)
    days = -(-sizes.validation_days // SCORED_IN)
    reader = _make_reader(panel, graphs, 1, days, sizes.active)
    blocks = BlockSampler([np.arange(sizes.validation_days)], days, seed=0).chronological()
    tally.take()
    score_days(silent, reader, blocks, frozenset(), make_plain_scoring(len(network.horizons)), ProcessGroup())
    return tally.take()


@contextmanager
def _imagining(rows: int) -> Iterator[Tally]:
    """Let tensors be imagined, and count them."""
    with warnings.catch_warnings(), Imagination(allow_non_fake_inputs=True), Tally(rows) as tally:
        warnings.filterwarnings("ignore", "Accessing the data pointer of FakeTensor")  # a copy asks whether it has one
        yield tally


def _imagine_panel(sizes: Sizes) -> Panel:
    metadata = sizes.metadata
    by_day = (len(metadata.days), len(metadata.codes))
    return Panel(
        metadata=metadata,
        identity="imagined",
        features=torch.empty((sizes.rows + 1, len(metadata.features)), dtype=torch.float16),
        targets=torch.empty((sizes.rows + 1, len(metadata.horizons))),
        row_of=torch.empty(by_day, dtype=torch.int32),
        eligible=torch.empty(by_day, dtype=torch.bool),
        market=torch.empty((len(metadata.days), 2 * len(metadata.features))),
    )


def _imagine_graphs(sizes: Sizes) -> DailyGraphs:
    shape = (sizes.graphs, len(sizes.metadata.codes), sizes.neighbours)
    return DailyGraphs(
        neighbours=torch.empty(shape, dtype=torch.int32),
        edges=torch.empty((*shape, sizes.attributes), dtype=torch.float16),
        graph_of=torch.empty(len(sizes.metadata.days), dtype=torch.int64),
    )


def _make_reader(panel: Panel, graphs: DailyGraphs, lookback: int, days: int, active: int) -> BlockReader:
    reader = BlockReader(panel, graphs, lookback, days)
    reader.stocks = active
    return reader
