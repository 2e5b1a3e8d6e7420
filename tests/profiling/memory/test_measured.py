"""What a run has taken, compared with what it was to take: a process with a process."""

import json
from pathlib import Path

import pytest

from atft_kedro.graph.neighbours import GraphParams
from atft_kedro.network.params import NetworkParams
from atft_kedro.panel.split import SplitParams
from atft_kedro.profiling.memory.available_memory import Machine, Room
from atft_kedro.profiling.memory.estimate import Plan
from atft_kedro.profiling.memory.measured import Taken
from atft_kedro.profiling.memory.sizes import Sizes, name_panel
from atft_kedro.training.params import TrainingParams
from atft_kedro.training.runs import HEARTBEAT
from factories.memory import PHASES
from factories.params import make_params
from factories.training_logs import make_log, write_run

pytestmark = pytest.mark.slow

SIZES = Sizes.make_up(name_panel(20, 200, 200, (1, 5)), make_params(SplitParams), make_params(GraphParams))
PLAN = Plan(SIZES, make_params(NetworkParams, hidden_size=32), make_params(TrainingParams, phases=PHASES))


def test_what_earlier_stages_left_in_the_process_is_not_what_the_training_takes(tmp_path: Path) -> None:
    need = PLAN.predict(Machine(process=400_000_000, keeps_freed=True, room=Room(10**12, 10**12)))
    index = next(part.memory for part in need.parts if part.what.startswith("graphs"))
    adds = need.memory - 400_000_000 - index
    folder = write_run(tmp_path, make_log(0.1))
    beat = json.loads((folder / HEARTBEAT).read_text())

    def compare(**measured: float) -> str:
        (folder / HEARTBEAT).write_text(json.dumps(beat | measured))
        return Taken.read(folder).compare(need)

    after_features = compare(memory_at_start_gb=2.0, peak_memory_gb=2 + adds / 1e9)
    on_gpu = compare(memory_at_start_gb=2.0, peak_memory_gb=2.0, peak_gpu_memory_gb=0.1)

    assert after_features.endswith("GB, 1.00 times that, from what the process held at the start")
    assert compare(peak_memory_gb=2.0).startswith("not comparable")
    assert on_gpu == "0.00 times that, of the GPU's memory by tensors"
