"""``kedro run``: run the pipeline with the cache, also in several processes under torchrun."""

from typing import Any

import click
from kedro.framework.cli.project import run as kedro_run
from kedro.framework.project import pipelines
from kedro.framework.session import KedroSession

from .project import plain_errors

CACHED_RUNNER = "atft_kedro.stages.runner.StageSequentialRunner"
END = ""  # rank 0 broadcasts the names of the nodes that all ranks run, then this


def _run(no_cache: bool, runner: str | None, **options: Any) -> Any:
    """Run the pipeline; the first process of torchrun does all but the training alone."""
    from ..training.distributed import is_torchrun, join_process_group

    if is_torchrun() and not join_process_group().is_first:
        with plain_errors():
            return run_as_other_rank(options)
    if runner is None:
        runner, options["runner_params"] = CACHED_RUNNER, {**options["runner_params"], "use_cache": not no_cache}
    with plain_errors():
        result = kedro_run.callback(runner=runner, **options)
    join_process_group().broadcast(END)
    return result


def run_as_other_rank(options: dict[str, Any]) -> None:
    """Run the nodes that rank 0 broadcasts, on the data that it has saved; save nothing."""
    from ..stages.in_memory import find_sources, list_sources
    from ..training.distributed import join_process_group

    while name := join_process_group().broadcast(END):
        session = KedroSession.create(
            env=options["env"],
            runtime_params=options["params"],
            conf_source=options["conf_source"],
            save_on_close=False,
        )
        with session:
            catalog = session.load_context().catalog
            pipeline = pipelines["__default__"]
            node = next(node for node in pipeline.nodes if node.name == name)
            for source in list_sources(node, find_sources(pipeline, catalog)):
                for output, data in source.run({entry: catalog[entry].load() for entry in source.inputs}).items():
                    catalog[output].save(data)
            node.run({entry: catalog[entry].load() for entry in node.inputs})


run = click.Command(
    "run",
    params=[
        *kedro_run.params,
        click.Option(["--no-cache"], is_flag=True, help="Run every stage, also unchanged ones."),
    ],
    callback=_run,
    help="Run the pipeline. Stages whose inputs, parameters and code are unchanged are not run again.",
)
