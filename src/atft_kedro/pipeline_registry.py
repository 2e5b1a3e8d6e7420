"""Which pipelines there are, by name."""

from kedro.pipeline import Pipeline

from .pipelines import data, evaluate, export, fit, graph, guard, hpo, predict, prepare, walk_forward


def register_pipelines() -> dict[str, Pipeline]:
    """Build every pipeline.

    ``train`` is the chain from prices to a scored and exported network; ``walk_forward`` trains one network per fold,
    ``hpo`` one per trial.
    """
    steps = {
        "data": data.create_pipeline(),
        "guard": guard.create_pipeline(),
        "prepare": prepare.create_pipeline(),
        "graph": graph.create_pipeline(),
        "fit": fit.create_pipeline(),
        "evaluate": evaluate.create_pipeline(),
        "export": export.create_pipeline(),
    }
    mapping = steps["data"].only_nodes("map_columns")  # what these two compute is not stored
    joining = steps["fit"].only_nodes("make_training_data")
    chain = sum(steps.values(), Pipeline([]))
    guarded = steps["data"] + steps["guard"]
    universe = guarded + steps["prepare"].only_nodes("select_universe")
    prepared = guarded + steps["prepare"] + steps["graph"]
    return {
        "data": steps["data"],
        **{name: mapping + steps[name] for name in ("guard", "prepare", "graph")},
        **{name: mapping + joining + steps[name] for name in ("fit", "evaluate", "export")},
        "predict": guarded + predict.create_pipeline(),
        "walk_forward": universe + steps["graph"] + walk_forward.create_pipeline(),
        "hpo": prepared + joining + hpo.create_pipeline(),
        "train": chain,
        "__default__": chain,
    }
