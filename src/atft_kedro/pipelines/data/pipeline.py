"""Prices to ML dataset."""

from kedro.pipeline import Node, Pipeline

from . import nodes


def create_pipeline() -> Pipeline:
    """Admit prices, and look at each of them along its stock and across its day."""
    return Pipeline(
        [
            Node(
                nodes.admit_prices,
                ["prices", "today", "params:admission"],
                ["clean_prices", "price_report"],
                name="admit_prices",
            ),
            Node(
                nodes.build_ml_dataset,
                ["clean_prices", "labels", "params:features"],
                "ml_dataset",
                name="build_ml_dataset",
            ),
            Node(nodes.map_columns, ["ml_dataset", "params:columns"], "mapped_dataset", name="map_columns"),
        ],
        tags=["data", "shared"],
    )
