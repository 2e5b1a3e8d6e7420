"""Which pipelines there are, by name."""

from kedro.pipeline import Pipeline

from .pipelines import data, guard


def register_pipelines() -> dict[str, Pipeline]:
    """Name every pipeline; ``train`` is the chain of them all."""
    parts = {"data": data.create_pipeline(), "guard": guard.create_pipeline()}
    chain = sum(parts.values(), Pipeline([]))
    return parts | {"train": chain, "__default__": chain}
