"""Checks of the machine: the state of the training, memory, reading of blocks, GPU use and speed."""

from collections.abc import Iterator

import numpy as np

from ..advice import advise_command, advise_run
from ..checks import choose_severity
from .check_result import TrainingCheck, advise_param, phase_prefix
from .training_log import SeedLog, TrainingLog

MIN_SILENCE, COMPILE_SILENCE = 60.0, 600.0  # seconds without a step after which a training may hang
SLOW_READING, MOSTLY_READING = 0.25, 0.5  # larger shares of time for reading blocks are a warning and an error
MIN_READING_SECONDS = 5.0  # less in all does not justify a change
LOCAL_DISK = "put the panel (05_model_input/panel) on a local disk, and provide memory for all of it"
MIN_GPU_USE = 50.0  # percent
MAX_MEMORY_GROWTH = 1.2  # times the memory in the middle of the phase
MIN_EPOCHS = 4  # of a phase, to measure a trend
MIN_EPOCH_SECONDS = 1.0  # shorter epochs do not show the speed
MIN_SPEED = 0.7  # of the speed at the start of a phase
MIN_CPU_SPEED = 0.85  # speed by processor time; if it stays above this share, the training waited for something else


def check_status(log: TrainingLog) -> Iterator[TrainingCheck]:
    """Check whether the training runs, hangs, has ended or was killed."""
    status = log.status
    if status is None:
        return
    epochs = [epoch for seed in log.seeds for epoch in seed.epochs]
    longest = max((epoch.seconds for epoch in epochs), default=0.0)
    # there are no steps during validation, and the first steps of a compiled phase take minutes
    silence = MIN_SILENCE if epochs and not log.training.compile else COMPILE_SILENCE
    may_hang = status.state == "training" and status.age > max(silence, 2 * longest)
    peak = max((epoch.peak_memory_gb or 0.0 for epoch in epochs), default=0.0)
    position = f"after step {status.steps:,} of {status.total_steps:,} (seed {status.seed}, phase {status.phase})"
    resume = f"{advise_run('--pipelines fit', {'training.resume': log.run})} resumes it; use its --env and parameters"
    message, advice = {
        "done": (f"done {position}", ()),
        "stopped": (f"stopped by a user {position}", (resume,)),
        "training": (f"training {position}, last heartbeat {status.age:.0f} s ago", ()),
        "dead": (
            f"process {status.pid} ended without a message {position}; it had used at most {peak:.1f} GB",
            ("see its log; if the system kills a process because memory is short, the log has no message", resume),
        ),
    }[status.state]
    if may_hang:
        advice = (f"if it hangs: {advise_command('atft stop')}, which waits for its step and writes a checkpoint",)
    yield TrainingCheck(
        name="status",
        severity=choose_severity((may_hang, "warn"), (status.state == "dead", "error")),
        message=message,
        advice=advice,
        numbers={"steps": status.steps, "age": status.age},
    )


def check_reading(log: TrainingLog, seed: SeedLog) -> TrainingCheck | None:
    """Check which share of the time is spent on reading blocks."""
    times = [(epoch.reading_seconds, epoch.seconds) for epoch in seed.epochs if epoch.reading_seconds is not None]
    if not times:
        return None
    reading, total = np.array(times).sum(0)
    share = float(reading / max(total, 1e-9))
    is_slow = share > SLOW_READING and reading > MIN_READING_SECONDS
    days, lookback = log.training.days_per_block, log.network["lookback"]
    history = (lookback - 1) / (lookback - 1 + days)
    longer_blocks = advise_param("training.days_per_block", 4 * days, days)
    return TrainingCheck(
        name="reading",
        severity=choose_severity((is_slow, "warn"), (is_slow and share > MOSTLY_READING, "error")),
        message=f"{share:.1%} of the time was spent on reading blocks; {history:.0%} of a block of {days} days is the "
        "history before them",
        advice=(longer_blocks, LOCAL_DISK) if log.device == "cpu" else (longer_blocks,),
        numbers={"share": share, "seconds": float(reading)},
    )


def check_gpu(log: TrainingLog, seed: SeedLog) -> TrainingCheck | None:
    """Check whether the GPU is busy, measured just after each epoch."""
    busy = [epoch.gpu_utilisation for epoch in seed.epochs if epoch.gpu_utilisation is not None]
    if not busy:
        return None
    median_use, training = float(np.median(busy)), log.training
    hottest = max((epoch.gpu_temperature for epoch in seed.epochs if epoch.gpu_temperature is not None), default=None)
    message = f"busy {median_use:.0f} % of the time at the end of the median epoch"
    advice = [] if training.compile else ["--params training.compile=true (now false)"]
    advice += [] if training.precision == "bf16" else ["--params training.precision=bf16 (now fp32)"]
    advice.append(advise_param("training.days_per_block", 4 * training.days_per_block, training.days_per_block))
    return TrainingCheck(
        name="GPU",
        severity="warn" if median_use < MIN_GPU_USE else "ok",
        message=message if hottest is None else f"{message}, at most {hottest:.0f} °C",
        advice=tuple(advice),
        numbers={"busy": median_use},
    )


def check_memory(log: TrainingLog, seed: SeedLog) -> TrainingCheck | None:
    """Check whether memory ran out, was short, or grows from epoch to epoch."""
    if not seed.epochs or seed.epochs[-1].peak_memory_gb is None:
        return None
    last, growth = seed.epochs[-1], _measure_growth(seed)
    messages = [f"{last.peak_memory_gb:.2f} GB at most"]
    if last.peak_gpu_memory_gb is not None and last.gpu_memory_total_gb is not None:
        messages.append(f"{last.peak_gpu_memory_gb:.1f} of the GPU's {last.gpu_memory_total_gb:.1f} GB")
    problems, advice = _check_shortage(log, seed)
    if growth > MAX_MEMORY_GROWTH:
        problems.append(f"{growth:.2f} times the memory in the middle of the phase")
        advice.append("memory is not released: stop the training and resume it with training.resume")
    return TrainingCheck(
        name="memory",
        severity="warn" if problems else "ok",
        message=", ".join(messages + problems),
        advice=tuple(advice),
        numbers={"peak_gb": last.peak_memory_gb or 0.0, "growth": growth},
    )


def _check_shortage(log: TrainingLog, seed: SeedLog) -> tuple[list[str], list[str]]:
    """Report whether memory ran out or was short, and advise blocks that fit."""
    last, training = seed.epochs[-1], log.training
    days, blocks = training.days_per_block, training.accumulate
    if last.pieces > 1:
        first = next(epoch.epochs for epoch in seed.epochs if epoch.pieces > 1)
        problem = f"memory ran out by epoch {first}: blocks of {days} days are processed in {last.pieces} pieces"
        smaller = f"training.days_per_block={-(-days // last.pieces)},training.accumulate={blocks * last.pieces}"
        advice = [f"--params {smaller} (now {days} and {blocks}) keeps the size of a step"]
    elif last.gpu_memory_retries:
        problem = f"GPU memory was short {last.gpu_memory_retries:.0f} times"
        advice = [advise_param("training.days_per_block", max(days // 2, 1), days)]
    else:
        return [], []
    return [problem], advice + (["--params training.precision=bf16 (now fp32)"] if training.precision == "fp32" else [])


def _measure_growth(seed: SeedLog) -> float:
    """Divide the memory at the end of the last phase by that in its middle; 1 for too few epochs."""
    memory = [epoch.memory_gb or epoch.peak_memory_gb for epoch in seed.phases[-1].epochs]
    known = [value for value in memory if value]
    return known[-1] / known[len(known) // 2] if len(known) >= MIN_EPOCHS else 1.0


def check_speed(log: TrainingLog, seed: SeedLog) -> TrainingCheck | None:
    """Check whether a phase became slower, and whether the training or the machine is the cause."""
    slowdowns = [
        (_compare_thirds([epoch.forecasts_per_second for epoch in phase.epochs]), phase)
        for phase in seed.phases
        if len(phase.epochs) >= MIN_EPOCHS and np.median([epoch.seconds for epoch in phase.epochs]) > MIN_EPOCH_SECONDS
    ]
    if not slowdowns:
        return None
    speed, phase = min(slowdowns, key=lambda pair: pair[0])
    cpu_seconds = [epoch.cpu_seconds for epoch in phase.epochs if epoch.cpu_seconds is not None and log.device == "cpu"]
    cpu_speed = 1 / _compare_thirds(cpu_seconds) if cpu_seconds else None
    median_speed = np.median([epoch.forecasts_per_second for epoch in phase.epochs])
    message = f"{median_speed:,.0f} forecasts per second; the last third ran at {speed:.0%} of the first"
    message += f", by processor time at {cpu_speed:.0%}" if cpu_speed is not None else ""
    has_waited = cpu_speed is not None and cpu_speed > MIN_CPU_SPEED
    cause = "do other programs use it, does it swap?" if has_waited else "is it throttled by heat, has it other work?"
    return TrainingCheck(
        name="speed",
        severity="warn" if speed < MIN_SPEED else "ok",
        message=f"{phase_prefix(log, phase)}{message}",
        advice=(f"check the machine: {cause}",),
        numbers={"speed": speed} | ({} if cpu_speed is None else {"cpu_speed": cpu_speed}),
    )


def _compare_thirds(values: list[float]) -> float:
    """Divide the median of the last third by that of the first."""
    third = max(len(values) // 3, 1)
    return float(np.median(values[-third:]) / max(float(np.median(values[:third])), 1e-9))
