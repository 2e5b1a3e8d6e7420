"""Test the number of weights and operations of a network."""

from atft_kedro.network.params import NetworkParams
from atft_kedro.profiling.bench_train import make_panel
from atft_kedro.profiling.network_size import measure_network
from atft_kedro.training.params import TrainingParams
from factories.params import make_params


def test_a_wider_network_is_larger_in_every_module_with_matrices() -> None:
    panel, graphs = make_panel(features=4, stocks=8, days=60)
    training = make_params(TrainingParams, days_per_block=4)

    narrow, wide = (
        measure_network(panel, graphs, make_params(NetworkParams, hidden_size=size, lookback=16), training)
        for size in (32, 64)
    )

    assert narrow.title.startswith("4 features, hidden 32, lookback 16, blocks of 4 days x ")
    assert [module.name for module in narrow.modules] == [module.name for module in wide.modules]
    for module, wider in zip(narrow.modules, wide.modules, strict=True):
        has_matrices = module.name != "fan"
        assert (module.weights < wider.weights) == has_matrices
        assert (module.flops < wider.flops) == has_matrices
