"""What the machine tells: how a training ended, slow reading, an idle GPU, memory that ran out, a falling pace."""

from collections.abc import Iterator

import numpy as np

from .check_result import Finding, find_worst, name_phase, set_param
from .training_log import SeedTrace, Trace

SILENT, COMPILES = 60.0, 600.0  # seconds without a step, and longer than any epoch: it hangs, or compiles a phase anew
READS, READS_MOSTLY = 0.25, 0.5  # share of the time that goes into reading blocks
READS_LONG = 5.0  # seconds in all; less is not worth a change
IDLE = 50.0  # percent that a GPU is busy
FAR = ("data/05_model_input/panel on a local disk, and memory for all of it",)
GROWS = 1.2  # times its memory in the middle; what is allocated once does not grow on
FEWEST_EPOCHS = 4  # of a phase, for fewer have no pace
MOMENT = 1.0  # seconds; what is shorter says nothing of pace
SLOWED = 0.7  # of the phase's first pace
OWN_SLOWED = 0.85  # of the processor's own work; above, something else has kept the training waiting


def check_ending(trace: Trace) -> Iterator[Finding]:
    """Look whether somebody is behind the run, and how it ended."""
    told = trace.status
    if told is None:
        return
    epochs = [epoch for seed in trace.seeds for epoch in seed.epochs]
    longest = max((epoch.seconds for epoch in epochs), default=0.0)
    usual = max(SILENT, 2 * longest) if epochs and not trace.training.compile else COMPILES  # it validates in silence
    hangs = told.state == "training" and told.age > max(usual, 2 * longest)
    last = max((epoch.peak_memory_gb or 0.0 for epoch in epochs), default=0.0)
    went = f"after step {told.steps:,} of {told.total_steps:,} (seed {told.seed}, phase {told.phase})"
    goes_on = f"kedro run --pipelines fit --params training.resume={trace.run} goes on with it, with its own --env"
    measured = {
        "done": f"done {went}",
        "stopped": f"was stopped {went}",
        "training": f"is training {went}, heard of {told.age:.0f} s ago",
        "dead": f"process {told.pid} ended without a word {went}; it had used {last:.1f} GB at most",
    }[told.state]
    advice = {
        "stopped": (goes_on,),
        "dead": ("its log says why; a process that the system kills for memory says nothing", goes_on),
    }.get(told.state, ())
    yield Finding(
        about="ending" if told.state != "training" else "running",
        state=find_worst((hangs, "watch"), (told.state == "dead", "trouble")),
        measured=measured,
        advice=("if it does nothing: kedro atft stop, which waits for its step and leaves a checkpoint",)
        if hangs
        else advice,
        numbers={"steps": told.steps, "age": told.age},
    )


def check_reading(trace: Trace, seed: SeedTrace) -> Finding | None:
    """Look which share of the time goes into reading blocks."""
    timed = [(epoch.reading_seconds, epoch.seconds) for epoch in seed.epochs if epoch.reading_seconds is not None]
    if not timed:
        return None
    read, whole = np.array(timed).sum(0)
    share = float(read / max(whole, 1e-9))
    is_slow = share > READS and read > READS_LONG
    days, lookback = trace.training.days_per_block, trace.network["lookback"]
    past = (lookback - 1) / (lookback - 1 + days)
    return Finding(
        about="reading",
        state=find_worst((is_slow, "watch"), (is_slow and share > READS_MOSTLY, "trouble")),
        measured=f"{share:.1%} of the time went into reading blocks; of a block of {days} days, {past:.0%} is read "
        "as their past",
        advice=(set_param("training.days_per_block", 4 * days, days), *(FAR if trace.device == "cpu" else ()))
        if is_slow
        else (),
        seed=seed.seed,
        numbers={"share": share, "seconds": float(read)},
    )


def check_gpu(trace: Trace, seed: SeedTrace) -> Finding | None:
    """Look whether the GPU has enough to do."""
    busy = [epoch.gpu_utilisation for epoch in seed.epochs if epoch.gpu_utilisation is not None]
    if not busy:
        return None
    usual, training = float(np.median(busy)), trace.training
    hottest = max((epoch.gpu_temperature for epoch in seed.epochs if epoch.gpu_temperature is not None), default=None)
    told = f"busy {usual:.0f} % of the time at the end of the median epoch"
    advice = [] if training.compile else ["--params training.compile=true (now false)"]
    advice += [] if training.precision == "bf16" else ["--params training.precision=bf16 (now fp32)"]
    advice += [set_param("training.days_per_block", 4 * training.days_per_block, training.days_per_block)]
    return Finding(
        about="GPU",
        state="watch" if usual < IDLE else "ok",  # of a moment after the epoch
        measured=told if hottest is None else f"{told}, at most {hottest:.0f} °C",
        advice=tuple(advice) if usual < IDLE else (),
        seed=seed.seed,
        numbers={"busy": usual},
    )


def check_memory(trace: Trace, seed: SeedTrace) -> Finding | None:
    """Look whether memory ran out or short, or fills up epoch by epoch."""
    if not seed.epochs or seed.epochs[-1].peak_memory_gb is None:
        return None
    last, grown, told = seed.epochs[-1], _grow(seed), [f"{seed.epochs[-1].peak_memory_gb:.2f} GB at most"]
    if last.peak_gpu_memory_gb is not None and last.gpu_memory_total_gb is not None:
        told.append(f"{last.peak_gpu_memory_gb:.1f} of the GPU's {last.gpu_memory_total_gb:.1f} GB")
    lacks, advice = _run_short(trace, seed)
    if grown > GROWS:
        lacks.append(f"{grown:.2f} times what it was in the middle of the phase")
        advice.append("something keeps what it should let go; stop, and go on with training.resume")
    return Finding(
        about="memory",
        state="watch" if lacks else "ok",
        measured=", ".join(told + lacks),
        advice=tuple(advice),
        seed=seed.seed,
        numbers={"peak_gb": last.peak_memory_gb or 0.0, "grown": grown},
    )


def _run_short(trace: Trace, seed: SeedTrace) -> tuple[list[str], list[str]]:
    """Say whether memory ran out or short, and advise blocks that fit."""
    last, training = seed.epochs[-1], trace.training
    days, steps = training.days_per_block, training.accumulate
    if last.pieces > 1:
        first = next(epoch.epochs for epoch in seed.epochs if epoch.pieces > 1)
        lacks = f"it ran out by epoch {first}: blocks of {days} days are learned in {last.pieces} pieces"
        fit = f"training.days_per_block={-(-days // last.pieces)},training.accumulate={steps * last.pieces}"
        advice = [f"--params {fit} (now {days} and {steps}) takes as large steps"]
    elif last.gpu_memory_retries:
        lacks = f"the GPU's ran short {last.gpu_memory_retries:.0f} times"
        advice = [set_param("training.days_per_block", max(days // 2, 1), days)]
    else:
        return [], []
    return [lacks], advice + (["--params training.precision=bf16 (now fp32)"] if training.precision == "fp32" else [])


def _grow(seed: SeedTrace) -> float:
    """Say how many times the memory of its middle the last phase has at its end."""
    held = [epoch.memory_gb or epoch.peak_memory_gb for epoch in seed.phases[-1].epochs]
    known = [each for each in held if each]
    return known[-1] / known[len(known) // 2] if len(known) >= FEWEST_EPOCHS else 1.0


def check_pace(trace: Trace, seed: SeedTrace) -> Finding | None:
    """Look whether a phase became slower, and whether that was its own work or something else's."""
    long = [phase for phase in seed.phases if len(phase.epochs) >= FEWEST_EPOCHS]
    paced = [phase for phase in long if np.median([epoch.seconds for epoch in phase.epochs]) > MOMENT]
    if not paced:
        return None
    phase = min(paced, key=lambda each: _compare([epoch.forecasts_per_second for epoch in each.epochs]))
    rates = [epoch.forecasts_per_second for epoch in phase.epochs]
    worked = [epoch.cpu_seconds for epoch in phase.epochs if epoch.cpu_seconds is not None and trace.device == "cpu"]
    kept, own = _compare(rates), 1 / _compare(worked) if worked else None
    told = f"{np.median(rates):,.0f} forecasts a second; its last third ran at {kept:.0%} of its first"
    told += f", by the processor's own time at {own:.0%}" if own is not None else ""
    waited = own is not None and own > OWN_SLOWED
    why = "others use it, or it swaps" if waited else "is it hot and throttled, has it other work"
    return Finding(
        about="pace",
        state="watch" if kept < SLOWED else "ok",
        measured=f"{name_phase(trace, phase)}{told}",
        advice=(f"look at the machine: {why}",) if kept < SLOWED else (),
        seed=seed.seed,
        numbers={"kept": kept} | ({} if own is None else {"own": own}),
    )


def _compare(values: list[float]) -> float:
    """Divide the median of the last third by that of the first."""
    third = max(len(values) // 3, 1)
    return float(np.median(values[-third:]) / max(float(np.median(values[:third])), 1e-9))
