"""Clocks of a training: one kind of work on its device, and an epoch as a whole."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch


class Stopwatch:
    """Adds up stretches of work.

    A GPU is told what to do long before it does it, so there its own events are asked, once, when the sum is read.
    """

    def __init__(self, device: torch.device) -> None:
        self.is_gpu = device.type == "cuda"
        self.seconds = 0.0
        self.marks: list[tuple[torch.cuda.Event, torch.cuda.Event]] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        """Time what is done inside."""
        if self.is_gpu:
            begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            begin.record()
            yield
            end.record()
            self.marks.append((begin, end))
            return
        started = time.perf_counter()
        yield
        self.seconds += time.perf_counter() - started

    def read(self) -> float:
        """Sum up the seconds that were timed."""
        if self.marks:
            self.marks[-1][1].synchronize()
        self.seconds += sum(begin.elapsed_time(end) for begin, end in self.marks) / 1000
        self.marks.clear()
        return self.seconds


class EpochTimer:
    """Measures an epoch's seconds: wall, processor, and those spent on reading blocks.

    A training that stops inside an epoch stores what it measured; the resumed one continues from there.
    """

    def __init__(self, reading: Stopwatch) -> None:
        self.reading = reading
        self.before = {"seconds": 0.0, "cpu_seconds": 0.0}
        self.start()

    def start(self) -> None:
        """Start or restart the clocks; time that passed before does not count."""
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def read(self) -> dict[str, float]:
        """Sum up the epoch so far."""
        now = {"seconds": time.perf_counter() - self._wall, "cpu_seconds": time.process_time() - self._cpu}
        total = {name: self.before[name] + seconds for name, seconds in now.items()}
        return total | {"reading_seconds": self.reading.read()}

    def take(self) -> dict[str, float]:
        """Sum up the epoch, and begin the next one."""
        total = self.read()
        self.resume(dict.fromkeys(total, 0.0))
        return total

    def resume(self, total: dict[str, float]) -> None:
        """Continue an epoch of which a stopped training measured so much."""
        self.before = {name: total[name] for name in self.before}
        self.reading.seconds = total["reading_seconds"]
        self.start()
