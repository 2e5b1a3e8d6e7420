"""Graphs: a function that scores pairs of stocks; the pairs with the highest scores are edges."""

from torch import Tensor

from atft_kedro.graph.neighbours import GraphParams, Members


def same_size(members: Members, rows: Tensor, params: GraphParams) -> Tensor:
    """Score pairs by the similarity of their sizes (row, member)."""
    return -(members.size[rows].unsqueeze(1) - members.size).abs()
