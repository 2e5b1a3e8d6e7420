"""Hooks: a run ends after SIGTERM even if a library catches the exit."""

import os
import signal
from collections.abc import Iterator

import pytest

from atft_kedro.hooks import TerminationHook


@pytest.fixture
def hook() -> Iterator[TerminationHook]:
    before = signal.getsignal(signal.SIGTERM)
    made = TerminationHook()
    made.before_pipeline_run()
    yield made
    signal.signal(signal.SIGTERM, before)


def test_a_termination_caught_by_a_library_ends_the_run_before_its_next_node(hook: TerminationHook) -> None:
    hook.before_node_run()
    with pytest.raises(SystemExit):
        os.kill(os.getpid(), signal.SIGTERM)

    for step in (hook.before_node_run, hook.after_dataset_saved):
        with pytest.raises(SystemExit, match="143"):
            step()
