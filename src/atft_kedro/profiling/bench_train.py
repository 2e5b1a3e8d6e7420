"""Measure how fast this machine trains at several sizes, compared with a plain matrix product.

Needs torch, numpy and pydantic only: ``python -m atft_kedro.profiling.bench_train [fp32|bf16] [compile]``.
"""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from ..network.atft import Atft
from ..network.params import NetworkParams
from ..panel.blocks import BlockReader, PanelGraphs
from ..panel.store import Panel, PanelMetadata
from ..training.distributed import TrainingProcesses
from ..training.hardware import keep_freed_memory
from ..training.params import TrainingParams
from ..training.telemetry import measure_memory
from ..training.train_step import TrainStep

Size = tuple[int, int, int, int]  # features, hidden, lookback, stocks
CPU_SIZES: tuple[Size, ...] = ((60, 64, 20, 1000), (158, 128, 60, 1000), (395, 256, 60, 2000), (82, 256, 20, 256))
GPU_SIZES: tuple[Size, ...] = ((60, 64, 20, 4000), (158, 128, 60, 4000), (395, 256, 60, 4000), (82, 256, 20, 256))
DAYS_PER_BLOCK, NEIGHBOURS, HORIZONS, EDGE_ATTRIBUTES = 32, 10, (1, 5, 10, 20), 3
PREDECESSOR_SPEED = {(82, 256, 20, 256): 2.0}  # forecasts/s of this project's predecessor: see docs/performance.md
MATRIX_ROWS = 4096  # of the plain product
SEED = 7
PARAMS = json.loads(Path(__file__).with_name("bench_params.json").read_text())  # fixed: measurements stay comparable
NETWORK, TRAINING, PHASE = PARAMS["network"], PARAMS["training"], PARAMS["phase"]


@dataclass(frozen=True)
class TrainingSpeed:
    """The measured speed of training at one size."""

    size: Size
    forecasts: float  # per second; a step is reading, forward, losses, backward and optimizer
    flops: float  # per second, of the network's matrix products
    product_flops: float  # per second, of a plain matrix product
    single_day_forecasts: float  # per second, in blocks of one day, which reuse nothing between days
    peak_memory: float  # bytes


def measure_speed(size: Size, training: TrainingParams, seconds: float) -> TrainingSpeed:
    """Measure the training speed at one size, on the GPU if there is one.

    Operations are counted in a step with the MATH kernel of attention, and timed with torch's choice of kernels.
    """
    keep_freed_memory()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    step = _make_step(size, training, DAYS_PER_BLOCK, device)
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):  # the counter sees no other
        step()
    step_seconds = time_steps(step, seconds, device)
    day_seconds = time_steps(_make_step(size, training, 1, device), seconds, device)
    stocks = size[-1]
    return TrainingSpeed(
        size=size,
        forecasts=stocks * DAYS_PER_BLOCK / step_seconds,
        flops=counter.get_total_flops() / step_seconds,
        product_flops=measure_product(training.precision, device, seconds / 4),
        single_day_forecasts=stocks / day_seconds,
        peak_memory=torch.cuda.max_memory_allocated() if device.type == "cuda" else measure_memory()["peak"],
    )


def make_panel(features: int, stocks: int, days: int) -> tuple[Panel, PanelGraphs]:
    """Make a random panel without missing observations, and one random graph for all days."""
    random = np.random.default_rng(SEED)
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
    return panel, PanelGraphs(torch.from_numpy(neighbours), edges, torch.zeros(days, dtype=torch.int64))


def _make_step(size: Size, training: TrainingParams, days: int, device: torch.device) -> Callable[[], object]:
    """Make a training step over one block, in the second half of the days that have a full lookback."""
    features, hidden, lookback, stocks = size
    panel, graphs = make_panel(features, stocks, lookback - 1 + 2 * DAYS_PER_BLOCK)
    torch.manual_seed(SEED)
    params = NetworkParams.model_validate(NETWORK | {"hidden_size": hidden, "lookback": lookback})
    network = Atft(params, features, HORIZONS, EDGE_ATTRIBUTES).to(device)
    reader = BlockReader(panel.to(device), graphs.to(device), lookback, days)
    train_step = TrainStep(network, reader, training, TrainingProcesses())
    block = lookback - 1 + DAYS_PER_BLOCK + np.arange(days)
    return lambda: train_step.run([block], training.phases[0], 1e-3)


def measure_product(precision: str, device: torch.device, seconds: float) -> float:
    """Measure the floating point operations per second of a large matrix product."""
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    left, right = (torch.randn(MATRIX_ROWS, MATRIX_ROWS, device=device).to(dtype) for _ in range(2))
    return 2 * MATRIX_ROWS**3 / time_steps(lambda: left @ right, seconds, device)


def time_steps(step: Callable[[], object], seconds: float, device: torch.device) -> float:
    """Return the median time of 3 to 1000 steps, after two to warm up.

    After three steps, the measurement ends when ``seconds`` have passed.
    """
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
        f"{precision}{', compiled' if compiled else ''}, blocks of {DAYS_PER_BLOCK} days, {NEIGHBOURS} neighbours, "
        f"{torch.get_num_threads()} threads, torch {torch.__version__}",
        "",
        "| features, hidden, lookback, stocks | forecasts/s | GFLOP/s | GFLOP/s of a plain product | share of it "
        "| forecasts/s in blocks of 1 day | speed-up by long blocks | peak memory, GB | speed-up over predecessor |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    print("\n".join(lines), flush=True)  # noqa: T201  (the command's output)
    for size in GPU_SIZES if torch.cuda.is_available() else CPU_SIZES:
        with get_context("spawn").Pool(1) as pool:  # a process for each size, to measure its peak memory
            speed = pool.apply(measure_speed, (size, training, seconds))
        ratio = f"{speed.forecasts / PREDECESSOR_SPEED[size]:,.0f}x" if size in PREDECESSOR_SPEED else ""
        print(  # noqa: T201
            f"| {size} | {speed.forecasts:,.0f} | {speed.flops / 1e9:,.0f} | {speed.product_flops / 1e9:,.0f} "
            f"| {speed.flops / speed.product_flops:.1%} | {speed.single_day_forecasts:,.0f} "
            f"| {speed.forecasts / speed.single_day_forecasts:.1f}x | {speed.peak_memory / 1e9:.2f} | {ratio} |",
            flush=True,
        )


if __name__ == "__main__":
    arguments = set(sys.argv[1:])
    if unknown := arguments - {"fp32", "bf16", "compile"}:
        sys.exit(f"unknown arguments: {', '.join(sorted(unknown))}")
    print_bench("bf16" if "bf16" in arguments else "fp32", "compile" in arguments, seconds=6.0)
