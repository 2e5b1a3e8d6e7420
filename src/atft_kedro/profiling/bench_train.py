"""How fast this machine trains: whole steps at several sizes, next to a plain matrix product.

Needs torch, numpy and pydantic only: ``python -m atft_kedro.profiling.bench_train [fp32|bf16] [compile]``.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from multiprocessing import get_context

import numpy as np
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from ..network.atft import Atft
from ..network.params import NetworkParams
from ..panel.blocks import BlockReader, DailyGraphs
from ..panel.store import Panel, PanelMetadata
from ..training.distributed import ProcessGroup
from ..training.hardware import keep_freed_memory
from ..training.params import TrainingParams
from ..training.telemetry import measure_memory
from ..training.train_step import TrainStep

SIZES = ((60, 64, 20, 1000), (158, 128, 60, 1000), (395, 256, 60, 2000), (82, 256, 20, 256))
GPU_SIZES = ((60, 64, 20, 4000), (158, 128, 60, 4000), (395, 256, 60, 4000), (82, 256, 20, 256))
DAYS, NEIGHBOURS, HORIZONS, EDGE_ATTRIBUTES = 32, 10, (1, 5, 10, 20), 3
PREDECESSORS_PACE = {(82, 256, 20, 256): 2.0}  # observations/s of the system that this one replaces
SQUARE = 4096  # rows of the matrices whose product is the yardstick
NETWORK = {  # fixed, so that measurements of different days can be compared
    "heads": 4,
    "layers": 1,
    "kernel": 3,
    "dropout": 0.0,
    "selection_size": 8,
    "market_gate": True,
    "fan_window": 12,
    "fan_k": 2,
    "fan_channels": 16,
    "graph_heads": 4,
    "graph_signed_heads": 0,
    "graph_dropout": 0.0,
    "market_tokens": 0,
    "head_dropout": 0.0,
    "head_norm": False,
    "layer_scale": 0.01,
    "output_init": 0.05,
    "quantiles": (0.1, 0.25, 0.5, 0.75, 0.9),
    "horizons": None,
}
TRAINING = {
    "epochs": None,
    "steps_per_phase": None,
    "learning_rate": None,
    "scheduler": None,
    "patience": None,
    "selection": {"metric": "rank_ic", "horizon_weights": None, "cost_bp": 10.0},
    "plateau": {"factor": 0.5, "patience": 10, "min_learning_rate": 1e-6},
    "without": (),
    "loss": None,
    "phase_losses": {},
    "seed": 7,
    "seeds": 1,
    "resume": None,
    "days_per_block": 8,
    "samples_per_block": None,
    "labels": {"transform": "gaussian_rank", "drop_extremes": 0.0},
    "accumulate": 1,
    "weight_decay": 2.0,
    "graph_weight_decay": 0.2,
    "betas": (0.9, 0.98),
    "ema_decay": 0.995,
    "swa_share": 0.25,
    "exposures": (),
    "scale_floor": 0.0,
    "device": "auto",
    "threads": None,
    "log_every": 20,
    "scored_share": 0.05,
    "keep_epochs": 3,
    "nan_budget": 10,
    "collapse": {"scale": 1e-3, "epochs": 3},
    "deterministic": False,
    "detect_anomaly": False,
}
PHASE = {
    "name": "bench",
    "epochs": 1,
    "learning_rate": 1e-3,
    "modules": ["fan", "gat"],
    "loss": {"mse": 0.4, "ic": 0.3, "rank_ic": 0.2, "quantile": 0.1},
}


@dataclass(frozen=True)
class Pace:
    """What one size was measured at."""

    size: tuple[int, int, int, int]  # features, hidden, lookback, stocks
    forecasts: float  # per second, whole training steps
    flops: float  # per second, of the model's matrix products
    product: float  # flops per second of a plain matrix product
    alone: float  # forecasts per second when each day is a block of its own, window by window
    memory: float  # bytes, at the most

    @property
    def utilisation(self) -> float:
        """Say which share of a plain matrix product's rate the model's arithmetic runs at."""
        return self.flops / self.product


def measure_pace(size: tuple[int, int, int, int], training: TrainingParams, seconds: float) -> Pace:
    """Measure one size on the device that there is."""
    keep_freed_memory()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    train_step, blocks = _make_learner(size, training, DAYS, device)
    phase = training.phases[0]
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):  # of which every product is counted
        train_step.run(blocks[:1], phase, 1e-3)
    took = time_steps(lambda: train_step.run(blocks[:1], phase, 1e-3), seconds, device)
    lone, days = _make_learner(size, training, 1, device)
    alone = time_steps(lambda: lone.run(days[:1], phase, 1e-3), seconds, device)
    stocks = size[-1]
    return Pace(
        size=size,
        forecasts=stocks * DAYS / took,
        flops=counter.get_total_flops() / took,
        product=measure_product(training.precision, device, seconds / 4),
        alone=stocks / alone,
        memory=torch.cuda.max_memory_allocated() if device.type == "cuda" else measure_memory()["peak"],
    )


def make_panel(features: int, stocks: int, days: int) -> tuple[Panel, DailyGraphs]:
    """Make a panel of noise in which every stock trades every day."""
    random = np.random.default_rng(7)
    rows = stocks * days
    values = torch.from_numpy(random.standard_normal((rows + 1, features), dtype=np.float32)).half()
    targets = torch.from_numpy(random.standard_normal((rows + 1, len(HORIZONS)), dtype=np.float32))
    values[-1], targets[-1] = torch.nan, torch.nan
    metadata = PanelMetadata(
        features=tuple(f"f{number}" for number in range(features)),
        feature_hash="bench",
        horizons=HORIZONS,
        entry_lag=0,
        codes=tuple(f"S{number}" for number in range(stocks)),
        sectors=((),) * stocks,
        days=tuple(date(2020, 1, 1) + timedelta(days=number) for number in range(days)),
    )
    panel = Panel(
        metadata=metadata,
        identity="bench",
        features=values,
        targets=targets,
        row_of=torch.arange(rows, dtype=torch.int32).view(stocks, days).t().contiguous(),
        eligible=torch.ones((days, stocks), dtype=torch.bool),
        market=torch.zeros((days, 2 * features)),
    )
    neighbours = random.integers(0, stocks, (1, stocks, NEIGHBOURS), dtype=np.int32)
    edges = torch.from_numpy(random.random((1, stocks, NEIGHBOURS, EDGE_ATTRIBUTES), dtype=np.float32)).half()
    return panel, DailyGraphs(torch.from_numpy(neighbours), edges, torch.zeros(days, dtype=torch.int64))


def _make_learner(
    size: tuple[int, int, int, int], training: TrainingParams, days: int, device: torch.device
) -> tuple[TrainStep, list[np.ndarray]]:
    features, hidden, lookback, stocks = size
    panel, graphs = make_panel(features, stocks, lookback - 1 + 2 * DAYS)
    torch.manual_seed(7)
    params = NetworkParams.model_validate(NETWORK | {"hidden_size": hidden, "lookback": lookback})
    network = Atft(params, features, HORIZONS, EDGE_ATTRIBUTES).to(device)
    reader = BlockReader(panel.to(device), graphs.to(device), lookback, days)
    first = lookback - 1 + DAYS
    return TrainStep(network, reader, training, ProcessGroup()), [first + np.arange(days)]


def measure_product(precision: str, device: torch.device, seconds: float) -> float:
    """Measure the rate (flops per second) of a large matrix product in the model's precision."""
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    one, other = (torch.randn(SQUARE, SQUARE, device=device).to(dtype) for _ in range(2))
    return 2 * SQUARE**3 / time_steps(lambda: one @ other, seconds, device)


def time_steps(step: Callable[[], object], seconds: float, device: torch.device) -> float:
    """Take the median time of a step, after two that warm up."""
    took: list[float] = []
    for number in range(2 + 1000):
        started = time.perf_counter()
        step()
        if device.type == "cuda":
            torch.cuda.synchronize()
        if number >= 2:
            took.append(time.perf_counter() - started)
        if len(took) >= 3 and sum(took) > seconds:
            break
    return float(np.median(took))


def print_bench(precision: str, compiled: bool, seconds: float) -> None:
    """Measure all sizes, and print them as rows of a table in Markdown."""
    training = TrainingParams.model_validate(
        TRAINING | {"precision": precision, "compile": compiled, "phases": [PHASE]}
    )
    told = [
        f"{precision}{', compiled' if compiled else ''}, blocks of {DAYS} days, {NEIGHBOURS} neighbours, "
        f"{torch.get_num_threads()} threads, torch {torch.__version__}",
        "",
        "| features, hidden, lookback, stocks | forecasts/s | GF/s | plain product GF/s | share | window by window/s "
        "| gain | peak memory GB | to the predecessor |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    print("\n".join(told), flush=True)  # noqa: T201 — what the command is for
    for size in GPU_SIZES if torch.cuda.is_available() else SIZES:
        with get_context("spawn").Pool(1) as alone:  # a process for each size, so that each has its own peak of memory
            pace = alone.apply(measure_pace, (size, training, seconds))
        theirs = PREDECESSORS_PACE.get(size)
        ratio = f"{pace.forecasts / theirs:,.0f}x" if theirs else ""
        print(  # noqa: T201
            f"| {size} | {pace.forecasts:,.0f} | {pace.flops / 1e9:,.0f} | {pace.product / 1e9:,.0f} "
            f"| {pace.utilisation:.1%} | {pace.alone:,.0f} | {pace.forecasts / pace.alone:.1f}x "
            f"| {pace.memory / 1e9:.2f} | {ratio} |",
            flush=True,
        )


if __name__ == "__main__":
    print_bench("bf16" if "bf16" in sys.argv else "fp32", "compile" in sys.argv, seconds=6.0)
