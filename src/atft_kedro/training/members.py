"""The trained networks of a run, read back as they were best."""

import json
from pathlib import Path

from ..network.atft import Atft
from ..network.sizes import NetworkParams
from ..panel.blocks import DailyGraphs
from ..panel.store import Panel
from .callbacks import BEST
from .mode import TrainingParams
from .run import choose_horizons, identify
from .runs import MANIFEST
from .state import read_checkpoint


def open_members(folder: Path, panel: Panel, graphs: DailyGraphs) -> list[Atft]:
    """Make a run's networks again, in the order of their seeds; the panel must be the one they were trained on."""
    manifest = json.loads((folder / MANIFEST).read_text())
    params = NetworkParams.model_validate(manifest["network"])
    training = TrainingParams.model_validate(manifest["training"])
    panel = choose_horizons(panel, params.horizons)
    members = []
    for seed in training.all_seeds:
        network = Atft(params, len(panel.meaning.features), panel.meaning.horizons, graphs.edges.shape[-1])
        identity = identify(panel, params, training.model_copy(update={"seed": seed}))
        network.load_state_dict(read_checkpoint(folder / training.place_of(seed) / BEST, identity)["best"])
        members.append(network.eval())
    return members
