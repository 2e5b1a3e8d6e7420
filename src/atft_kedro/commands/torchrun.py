"""What the processes beside the first do in ``torchrun … -m kedro run``: they train along, and write nothing."""

from typing import Any

from kedro.framework.project import pipelines
from kedro.framework.session import KedroSession

NOTHING_LEFT = ""


def follow(options: dict[str, Any]) -> None:
    """Run the stages that the first process names, on what it has made, and save nothing."""
    from ..stages.in_memory import find_sources, list_sources
    from ..training.distributed import join_process_group

    while name := join_process_group().broadcast(NOTHING_LEFT):
        session = KedroSession.create(
            env=options["env"],
            runtime_params=options["params"],
            conf_source=options["conf_source"],
            save_on_close=False,
        )
        with session:
            catalog = session.load_context().catalog
            whole = pipelines["__default__"]
            node = next(node for node in whole.nodes if node.name == name)
            for source in list_sources(node, find_sources(whole, catalog)):
                for output, data in source.run({each: catalog[each].load() for each in source.inputs}).items():
                    catalog[output].save(data)
            node.run({each: catalog[each].load() for each in node.inputs})
