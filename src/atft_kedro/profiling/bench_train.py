"""Measure how fast this machine trains, at several sizes, compared with a plain matrix product.

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
PREDECESSOR_SPEED = {(82, 256, 20, 256): 2.0}  # observations/s of the system that this one replaces
SQUARE = 4096  # rows of the matrices in the plain product
Size = tuple[int, int, int, int]  # features, hidden, lookback, stocks
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
class TrainingSpeed:
    """The measured speed of training at one size."""

    size: Size
    forecasts: float  # per second, in whole training steps
    flops: float  # per second, of the model's matrix products
    product_flops: float  # per second, of a plain matrix product
    single_day_forecasts: float  # per second, in blocks of one day, which share no work between windows
    memory: float  # bytes at the peak

    @property
    def utilisation(self) -> float:
        """The model's arithmetic speed as a share of a plain matrix product's."""
        return self.flops / self.product_flops


def measure_speed(size: Size, training: TrainingParams, seconds: float) -> TrainingSpeed:
    """Measure one size, on the GPU if there is one."""
    keep_freed_memory()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    step = _make_step(size, training, DAYS, device)
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):  # counts attention's products too
        step()
    step_seconds = time_steps(step, seconds, device)
    day_seconds = time_steps(_make_step(size, training, 1, device), seconds, device)
    stocks = size[-1]
    return TrainingSpeed(
        size=size,
        forecasts=stocks * DAYS / step_seconds,
        flops=counter.get_total_flops() / step_seconds,
        product_flops=measure_product(training.precision, device, seconds / 4),
        single_day_forecasts=stocks / day_seconds,
        memory=torch.cuda.max_memory_allocated() if device.type == "cuda" else measure_memory()["peak"],
    )


def make_panel(features: int, stocks: int, days: int) -> tuple[Panel, DailyGraphs]:
    """Make a panel of random numbers in which every stock trades every day."""
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


def _make_step(size: Size, training: TrainingParams, days: int, device: torch.device) -> Callable[[], object]:
    """Make a training step over one block."""
    features, hidden, lookback, stocks = size
    panel, graphs = make_panel(features, stocks, lookback - 1 + 2 * DAYS)
    torch.manual_seed(7)
    params = NetworkParams.model_validate(NETWORK | {"hidden_size": hidden, "lookback": lookback})
    network = Atft(params, features, HORIZONS, EDGE_ATTRIBUTES).to(device)
    reader = BlockReader(panel.to(device), graphs.to(device), lookback, days)
    train_step = TrainStep(network, reader, training, ProcessGroup())
    block = lookback - 1 + DAYS + np.arange(days)
    return lambda: train_step.run([block], training.phases[0], 1e-3)


def measure_product(precision: str, device: torch.device, seconds: float) -> float:
    """Measure the speed of a large matrix product in this precision, in flops per second."""
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    left, right = (torch.randn(SQUARE, SQUARE, device=device).to(dtype) for _ in range(2))
    return 2 * SQUARE**3 / time_steps(lambda: left @ right, seconds, device)


def time_steps(step: Callable[[], object], seconds: float, device: torch.device) -> float:
    """Return the median time of a step, after two to warm up."""
    times: list[float] = []
    for number in range(2 + 1000):
        started = time.perf_counter()
        step()
        if device.type == "cuda":
            torch.cuda.synchronize()
        if number >= 2:
            times.append(time.perf_counter() - started)
        if len(times) >= 3 and sum(times) > seconds:
            break
    return float(np.median(times))


def print_bench(precision: str, compiled: bool, seconds: float) -> None:
    """Measure all sizes and print them as a Markdown table."""
    training = TrainingParams.model_validate(
        TRAINING | {"precision": precision, "compile": compiled, "phases": [PHASE]}
    )
    lines = [
        f"{precision}{', compiled' if compiled else ''}, blocks of {DAYS} days, {NEIGHBOURS} neighbours, "
        f"{torch.get_num_threads()} threads, torch {torch.__version__}",
        "",
        "| features, hidden, lookback, stocks | forecasts/s | GF/s | plain product GF/s | share | window by window/s "
        "| gain | peak memory GB | to the predecessor |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    print("\n".join(lines), flush=True)  # noqa: T201  (the command's output)
    for size in GPU_SIZES if torch.cuda.is_available() else SIZES:
        with get_context("spawn").Pool(1) as pool:  # a process per size, to measure the peak memory of each
            speed = pool.apply(measure_speed, (size, training, seconds))
        ratio = f"{speed.forecasts / PREDECESSOR_SPEED[size]:,.0f}x" if size in PREDECESSOR_SPEED else ""
        print(  # noqa: T201
            f"| {size} | {speed.forecasts:,.0f} | {speed.flops / 1e9:,.0f} | {speed.product_flops / 1e9:,.0f} "
            f"| {speed.utilisation:.1%} | {speed.single_day_forecasts:,.0f} "
            f"| {speed.forecasts / speed.single_day_forecasts:.1f}x | {speed.memory / 1e9:.2f} | {ratio} |",
            flush=True,
        )


if __name__ == "__main__":
    print_bench("bf16" if "bf16" in sys.argv else "fp32", "compile" in sys.argv, seconds=6.0)
