"""The project's pipelines by name."""

from kedro.pipeline import Pipeline

from .pipelines import (
    data,
    evaluate,
    export,
    fit,
    gate,
    graph,
    guard,
    hpo,
    monitor,
    predict,
    prepare,
    refit,
    walk_forward,
)

STEPS = {
    "data": data,
    "guard": guard,
    "prepare": prepare,
    "graph": graph,
    "fit": fit,
    "evaluate": evaluate,
    "export": export,
    "predict": predict,
    "monitor": monitor,
    "gate": gate,
    "refit": refit,
    "walk_forward": walk_forward,
    "hpo": hpo,
}


def register_pipelines() -> dict[str, Pipeline]:
    """Build every pipeline.

    The nodes of a step have its name as their namespace; datasets have none. ``train`` is the chain from prices to a
    scored and exported network; ``walk_forward`` trains one network per fold, ``hpo`` one per trial.
    ``retrain`` also compares the network with the champion; ``refit`` trains one that passed again on all days.
    """
    steps = {
        name: Pipeline(step.create_pipeline(), namespace=name, prefix_datasets_with_namespace=False)
        for name, step in STEPS.items()
    }
    # The outputs of these three nodes are in memory: every pipeline that reads them contains the node.
    mapping = steps["data"].only_nodes("data.map_columns")
    joining = steps["graph"].only_nodes("graph.make_training_data")
    finding = steps["fit"].only_nodes("fit.find_run")
    guarded = steps["data"] + steps["guard"]
    prepared = guarded + steps["prepare"] + steps["graph"]
    graphs = steps["prepare"].only_nodes("prepare.select_universe") + steps["graph"].only_nodes("graph.build_graphs")
    exporting = ("describe_inputs", "export_model", "prepare_registration")
    writing = steps["export"].only_nodes(*(f"export.{name}" for name in exporting))
    position_nodes = steps["evaluate"].only_nodes("evaluate.simulate_positions", "evaluate.plot_positions")
    promoting = steps["gate"].only_nodes("gate.promote_refit")
    chain = prepared + steps["fit"] + steps["evaluate"] + steps["export"]
    return {
        "data": steps["data"],
        **{name: mapping + steps[name] for name in ("guard", "prepare", "graph")},
        "positions": mapping + position_nodes,
        "fit": mapping + joining + steps["fit"],
        **{name: mapping + joining + finding + steps[name] for name in ("evaluate", "export")},
        "predict": guarded + steps["predict"],
        "monitor": guarded + steps["monitor"],
        "retrain": chain + steps["gate"].only_nodes("gate.apply_gate"),
        "refit": mapping + joining + finding + steps["refit"] + writing + promoting,
        "walk_forward": guarded + graphs + steps["walk_forward"],
        "hpo": prepared + steps["hpo"],
        "train": chain,
        "__default__": chain,
    }
