"""Test the examples in the docstrings of all datasets."""

import re
import textwrap
from pathlib import Path

import pytest
import yaml
from kedro.io import AbstractDataset

from atft_kedro import datasets
from atft_kedro.market.simulated_drivers import MarketParams
from factories.params import make_params


@pytest.mark.parametrize("name", datasets.__all__)
def test_the_yaml_example_in_the_docstring_works(name: str, tmp_path: Path) -> None:
    text = re.split(r"YAML API:\n", getattr(datasets, name).__doc__)[1]
    (entry, config), *_ = yaml.safe_load(textwrap.dedent(text)).items()
    for key in ("path", "filepath"):
        if key in config:
            config[key] = str(tmp_path / config[key])
    if "credentials" in config:
        config["credentials"] = {"urls": []}

    dataset = AbstractDataset.from_config(entry, config)

    assert type(dataset).__name__ == name
    if name == "SimulatedMarketDataset":
        assert dataset.load().collect().height == 0  # the example has no market
        market = make_params(MarketParams, stocks=5, days=30).model_dump(mode="json")
        assert AbstractDataset.from_config(entry, config | {"market": market}).load().collect().height > 0
