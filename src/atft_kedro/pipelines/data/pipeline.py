"""Prices to ML dataset."""

from kedro.pipeline import Node, Pipeline

from . import nodes


def create_pipeline() -> Pipeline:
    """Admit prices, look back along each stock, compare inside each day."""
    return Pipeline(
        [
            Node(
                nodes.admit_prices,
                ["prices", "params:admission"],
                ["clean_prices", "price_report"],
                name="admit_prices",
            ),
            Node(nodes.describe_features, "params:features", "feature_catalogue", name="describe_features"),
            Node(
                nodes.build_stock_features,
                ["clean_prices", "params:features"],
                "stock_features",
                name="build_stock_features",
            ),
            Node(
                nodes.build_ml_dataset,
                ["stock_features", "params:features"],
                "ml_dataset",
                name="build_ml_dataset",
            ),
        ],
        tags="data",
    )
