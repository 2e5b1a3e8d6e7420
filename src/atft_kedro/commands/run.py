"""``kedro run``, which skips unchanged stages and trains in the processes of torchrun."""

from typing import Any

import click
from kedro.framework.cli.project import run as kedro_run
from kedro.framework.project import pipelines
from kedro.framework.session import KedroSession

from .command_helpers import load_dataset, show_input_errors_briefly

STAGE_RUNNER = "atft_kedro.stages.runner.StageSequentialRunner"
NO_MORE_NODES = ""  # rank 0 broadcasts the name of each node that all ranks run, and this at its end
NO_CACHE = "Run every stage, also unchanged ones. Kedro's own runners (--runner) always run all and record none."


def _run(no_cache: bool, runner: str | None, **options: Any) -> Any:
    """Run the pipeline; under torchrun rank 0 runs it, and the other ranks only take part in the training."""
    from ..training.distributed import is_torchrun, join_process_group

    if is_torchrun() and not join_process_group().is_first:
        with show_input_errors_briefly():
            return run_as_other_rank(options)
    runner = runner or STAGE_RUNNER
    if no_cache and runner == STAGE_RUNNER:
        options["runner_params"] = {**options["runner_params"], "use_cache": False}
    with show_input_errors_briefly():
        result = kedro_run.callback(runner=runner, **options)
    join_process_group().broadcast(NO_MORE_NODES)
    return result


def run_as_other_rank(options: dict[str, Any]) -> None:
    """Run the nodes that rank 0 broadcasts, on the data that rank 0 has saved; write no file."""
    from ..training.distributed import join_process_group

    while name := join_process_group().broadcast(None):  # returns the value of rank 0
        session = KedroSession.create(
            env=options["env"],
            runtime_params=options["params"],
            conf_source=options["conf_source"],
            save_on_close=False,
        )
        with session:
            catalog = session.load_context().catalog
            nodes = (node for pipeline in pipelines.values() for node in pipeline.nodes)
            node = next(node for node in nodes if node.name == name)
            node.run({entry: load_dataset(catalog, entry) for entry in node.inputs})


run = click.Command(
    "run",
    params=[*kedro_run.params, click.Option(["--no-cache"], is_flag=True, help=NO_CACHE)],
    callback=_run,
    help="Run the pipeline. Stages whose inputs, parameters and code are unchanged are not run again.",
)
