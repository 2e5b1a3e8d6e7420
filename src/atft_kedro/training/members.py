"""The trained networks of a run, read back as they were best."""

import json
from pathlib import Path

from ..network.atft import Atft
from ..network.sizes import NetworkParams
from .callbacks import BEST
from .mode import TrainingParams
from .run import Material, choose_horizons, identify
from .runs import MANIFEST
from .state import read_checkpoint


def open_members(folder: Path, material: Material) -> list[Atft]:
    """Make a run's networks again, in the order of their seeds, for the panel and the graphs of their training."""
    manifest = json.loads((folder / MANIFEST).read_text())
    params = NetworkParams.model_validate(manifest["network"])
    training = TrainingParams.model_validate(manifest["training"])
    panel, graphs = choose_horizons(material.panel, params.horizons), material.graphs
    members = []
    for seed in training.all_seeds:
        network = Atft(params, len(panel.meaning.features), panel.meaning.horizons, graphs.edges.shape[-1])
        identity = identify(material, params, training.model_copy(update={"seed": seed}))
        network.load_state_dict(read_checkpoint(folder / training.place_of(seed) / BEST, identity)["best"])
        members.append(network.eval())
    return members
