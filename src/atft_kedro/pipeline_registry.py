"""Which pipelines there are, by name."""

from kedro.pipeline import Pipeline

from .pipelines import data, evaluate, export, fit, graph, guard, hpo, predict, prepare, walk_forward


def register_pipelines() -> dict[str, Pipeline]:
    """Name every pipeline.

    ``train`` is the chain from prices to what a network is worth, ``walk_forward`` to many, ``hpo`` to the best.
    """
    parts = {
        "data": data.create_pipeline(),
        "guard": guard.create_pipeline(),
        "prepare": prepare.create_pipeline(),
        "graph": graph.create_pipeline(),
        "fit": fit.create_pipeline(),
        "evaluate": evaluate.create_pipeline(),
        "export": export.create_pipeline(),
    }
    chain = sum(parts.values(), Pipeline([]))
    shared = parts["data"] + parts["guard"] + parts["prepare"].only_nodes("select_universe") + parts["graph"]
    walk = shared + walk_forward.create_pipeline()
    searched = parts["data"] + parts["guard"] + parts["prepare"] + parts["graph"] + hpo.create_pipeline()
    live = parts["data"] + parts["guard"] + predict.create_pipeline()
    return parts | {"predict": live, "walk_forward": walk, "hpo": searched, "train": chain, "__default__": chain}
