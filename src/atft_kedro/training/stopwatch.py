"""How long one kind of work takes on its device, added up over many stretches, without waiting for any."""

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

    def take(self) -> float:
        """Tell the sum since it was last taken."""
        if self.marks:
            self.marks[-1][1].synchronize()
        seconds = self.seconds + sum(begin.elapsed_time(end) for begin, end in self.marks) / 1000
        self.seconds = 0.0
        self.marks.clear()
        return seconds
