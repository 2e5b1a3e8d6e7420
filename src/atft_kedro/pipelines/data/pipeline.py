"""Prices to ML dataset."""

from kedro.pipeline import Node, Pipeline

from . import nodes


def create_pipeline() -> Pipeline:
    """Clean the prices and compute features along each stock and across each day."""
    return Pipeline(
        [
            Node(
                nodes.clean_prices,
                ["prices", "current_day", "params:cleaning"],
                ["clean_prices", "price_report"],
                name="clean_prices",
            ),
            Node(
                nodes.build_ml_dataset,
                ["clean_prices", "benchmark_returns", "params:features"],
                "ml_dataset",
                name="build_ml_dataset",
            ),
            Node(nodes.map_columns, ["ml_dataset", "params:columns"], "mapped_dataset", name="map_columns"),
        ],
        tags=["data", "shared"],
    )
