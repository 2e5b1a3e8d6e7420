"""From prices to the ML dataset."""

from kedro.pipeline import Node, Pipeline

from atft_kedro.schema import map_columns

from . import nodes


def create_pipeline() -> Pipeline:
    """Clean the prices and compute features along each stock and across each day."""
    return Pipeline(
        [
            Node(
                nodes.clean_prices,
                ["prices", "extra_tables", "params:cleaning", "current_day"],
                ["clean_prices", "price_report"],
                name="clean_prices",
            ),
            Node(
                nodes.build_ml_dataset,
                ["clean_prices", "benchmark_returns", "delistings", "params:features"],
                "ml_dataset",
                name="build_ml_dataset",
            ),
            Node(map_columns, ["ml_dataset", "params:columns"], "mapped_dataset", name="map_columns"),
        ],
        tags=["data", "shared"],
    )
