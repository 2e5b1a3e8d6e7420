"""A small panel held in memory, for as long as its forecasts take."""

import numpy as np
import torch

from .store import Panel
from .write import PanelDraft

HELD = "held in memory"  # in place of the hash of its files


def build_panel_in_memory(draft: PanelDraft) -> Panel:
    """Lay a panel out as `write_panel` does, without a disk."""
    metadata = draft.metadata
    features = np.full((draft.rows + 1, len(metadata.features)), np.nan, dtype=np.float16)
    targets = np.full((draft.rows + 1, len(metadata.horizons)), np.nan, dtype=np.float32)
    market = np.zeros((len(metadata.days), 2 * len(metadata.features)), dtype=np.float32)
    for piece in draft.pieces:
        features[piece.rows], targets[piece.rows] = piece.features, piece.targets
        market[piece.days] = piece.market
    tensors = (features, targets, draft.row_of, draft.eligible, market)
    return Panel(metadata, HELD, *map(torch.from_numpy, tensors))
