"""Which pipelines there are, by name."""

from kedro.pipeline import Pipeline

from .pipelines import data, evaluate, fit, graph, guard, prepare, walk_forward


def register_pipelines() -> dict[str, Pipeline]:
    """Name every pipeline; ``train`` is the chain from prices to what a trained network is worth."""
    parts = {
        "data": data.create_pipeline(),
        "guard": guard.create_pipeline(),
        "prepare": prepare.create_pipeline(),
        "graph": graph.create_pipeline(),
        "fit": fit.create_pipeline(),
        "evaluate": evaluate.create_pipeline(),
    }
    chain = sum(parts.values(), Pipeline([]))
    return parts | {"walk_forward": walk_forward.create_pipeline(), "train": chain, "__default__": chain}
