"""One training step: losses, gradients, memory and compilation."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from atft_kedro.params import InputError
from atft_kedro.training.data import TrainingData
from atft_kedro.training.engine import Trainer
from atft_kedro.training.params import TrainingParams
from atft_kedro.training.train_step import is_out_of_memory, make_sector_index
from factories.params import make_params
from factories.training import NETWORK, PHASES, Make, Watch

PHASE = {"name": "x", "epochs": 1, "learning_rate": 1e-3, "modules": ["fan", "gat"]}
WITHOUT_DROPOUT = NETWORK.model_copy(update={"dropout": 0.0, "head_dropout": 0.0})


def train_steps(trainer: Trainer, steps: int) -> dict[str, float]:
    trainer.network.train()
    blocks = list(trainer.train.sampler.epoch(0))
    for step in range(steps):
        terms = trainer.train_step.run([blocks[step % 2]], trainer.phase, 1e-2)
    return {name: float(term) for name, term in terms.items()}


def test_a_gradient_penalty_flattens_the_forecasts(make: Make) -> None:
    slopes = []
    for penalty in (1e-9, 30.0):
        trainer = make(size=WITHOUT_DROPOUT, phases=[PHASE | {"gradient_penalty": penalty}])
        slopes.append(train_steps(trainer, 25)["gradient_penalty"])

    assert slopes[1] < slopes[0] / 3


def test_the_gradient_penalty_is_the_squared_gradient_of_the_forecasts(make: Make) -> None:
    trainer = make(size=WITHOUT_DROPOUT, phases=[PHASE])
    block = trainer.train.reader.read(next(iter(trainer.train.sampler.epoch(0))))
    trainer.network.eval()

    slope = trainer.train_step.compute_gradient_penalty(block, trainer.phase)

    def total(features: torch.Tensor) -> float:
        with torch.no_grad():
            point = trainer.network.point_forecast(trainer.network(replace(block, features=features)))
            return float((point * block.is_forecast.unsqueeze(-1)).double().sum())

    random = torch.Generator().manual_seed(1)
    squares = []
    for _ in range(300):  # along random signs, the squared difference is the squared gradient on average
        signs = 1e-2 * (torch.randint(0, 2, block.features.shape, generator=random) * 2 - 1)
        ahead, behind = (total(block.features.float() + step) for step in (signs, -signs))
        squares.append(((ahead - behind) / 2e-2) ** 2)
    assert float(slope) == pytest.approx(np.mean(squares) / float(block.is_forecast.sum()), rel=0.3)


def test_the_exposure_loss_lowers_the_correlation_of_forecasts_with_a_feature(make: Make) -> None:
    shares = []
    for loss in ({"mse": 1.0}, {"mse": 1.0, "exposure": 5.0}):
        trainer = make(size=WITHOUT_DROPOUT, phases=[PHASE | {"loss": loss}], exposures=["vol_20"])
        train_steps(trainer, 40)
        trainer.network.eval()
        block = trainer.train.reader.read(next(iter(trainer.train.sampler.epoch(0))))
        point = trainer.network.point_forecast(trainer.network(block))[..., 0].detach()
        exposure = trainer.train_step.loss_input_builder.read_exposures(block)[:, 0]
        valid = block.is_forecast & exposure.isfinite()
        correlations = [np.corrcoef(point[d][v], exposure[d][v])[0, 1] for d, v in enumerate(valid) if v.sum() > 5]
        shares.append(float(np.mean(np.square(correlations))))

    assert shares[1] < shares[0] / 2


def test_a_sector_is_that_of_the_day_not_of_the_newest_day(make: Make, training_data: TrainingData) -> None:
    metadata, code = training_data.panel.metadata, 4
    ((_, name),) = metadata.sectors[code]
    since, other = metadata.days[100], next(h[0][1] for h in metadata.sectors if h[0][1] != name)
    histories = [*metadata.sectors]
    histories[code] = ((metadata.days[60], name), (since, other))
    moved = replace(training_data.panel, metadata=metadata.model_copy(update={"sectors": tuple(histories)}))

    trainer = make(exposures=["sector"], phases=[PHASE], data=replace(training_data, panel=moved))

    names = sorted({name for history in moved.metadata.sectors for _, name in history})
    numbers = make_sector_index(moved.metadata, names)[:, code].tolist()
    assert [names[number] if number >= 0 else None for number in (numbers[59], *numbers[99:101])] == [None, name, other]
    with pytest.raises(InputError, match="training.exposures names 'sector', but the ML dataset has no sectors"):
        nameless = moved.metadata.model_copy(update={"sectors": ((),) * len(histories)})
        make(
            exposures=["sector"],
            phases=[PHASE],
            data=replace(training_data, panel=replace(moved, metadata=nameless)),
        )
    sectors = range(len(names))
    blocks = [trainer.train.reader.read(days) for days in trainer.train.sampler.chronological()]
    for block in blocks:
        column = block.stock.tolist().index(code)
        exposures = trainer.train_step.loss_input_builder.read_exposures(block)[:, :, column]
        for day, present, exposure in zip(block.day.tolist(), block.is_forecast[:, column], exposures, strict=True):
            if present:
                assert exposure.nan_to_num(-1).tolist() == [
                    -1 if numbers[day] < 0 else numbers[day] == n for n in sectors
                ]


def test_exposures_are_the_features_of_the_forecast_days_and_the_sectors(make: Make) -> None:
    trainer = make(exposures=["beta_60", "sector"], phases=[PHASE])
    reader = trainer.train.reader
    block = reader.read(next(iter(trainer.train.sampler.epoch(0))))

    values = trainer.train_step.loss_input_builder.read_exposures(block)

    panel, column = reader.panel, reader.panel.metadata.features.index("beta_60")
    assert values.shape[1] == 1 + len({name for history in panel.metadata.sectors for _, name in history})
    for day, stock in ((0, 0), (3, 5), (7, 11)):
        row = panel.row_of[block.day[day], block.stock[stock]]
        assert block.step_of_day[day, stock] >= 0
        assert values[day, 0, stock] == panel.features[row, column].float()
        ((_, sector),) = panel.metadata.sectors[int(block.stock[stock])]
        peers = [
            number for number, code in enumerate(block.stock[:12]) if panel.metadata.sectors[code][-1][1] == sector
        ]
        assert all(values[0, 1:, peer].equal(values[0, 1:, stock]) for peer in peers if block.step_of_day[0, peer] >= 0)
        assert values[day, 1:, stock].sum() == 1
    with pytest.raises(
        InputError, match=r"training.exposures: \['size'\] are neither features of the dataset nor 'sector'"
    ):
        make(exposures=["size"])


@pytest.mark.parametrize("loss", ["exposure", "variance_floor"])
def test_a_loss_without_its_parameter_is_refused(loss: str) -> None:
    with pytest.raises(ValidationError, match=f"phase x uses the loss {loss}, but"):
        make_params(TrainingParams, phases=[PHASE | {"loss": {"mse": 1, loss: 1}}])


def test_bf16_trains_nearly_as_well_as_fp32(make: Make) -> None:
    losses = []
    for precision in ("fp32", "bf16"):
        watch = Watch()
        make([watch], size=WITHOUT_DROPOUT, precision=precision, phases=[PHASE]).fit()
        losses.append([terms["loss"] for terms in watch.terms])

    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.02)


def test_freezing_an_unknown_module_is_refused(make: Make) -> None:
    with pytest.raises(
        InputError, match=r"x freezes \['attention'\]; the network has \['variable_selection', 'fan', 'temporal'"
    ):
        make(phases=[PHASE | {"freeze": ["attention"]}])


def test_freezing_all_that_is_on_is_refused(make: Make) -> None:
    with pytest.raises(InputError, match="x freezes all modules that are switched on"):
        make(phases=[PHASE | {"modules": [], "freeze": ["variable_selection", "temporal", "heads"]}])


def test_the_fourier_split_is_not_done_in_sixteen_bits(make: Make) -> None:
    trainer = make(phases=[PHASE])
    x = torch.randn(4, 20, NETWORK.hidden_size)

    plain = trainer.network.fan(x)[1]
    with torch.autocast("cpu", torch.bfloat16):
        inside = trainer.network.fan(x)[1]

    assert inside.dtype == torch.float32
    assert torch.equal(plain, inside)


def run_out_above(days: int) -> Callable[..., None]:
    def hook(module: torch.nn.Module, inputs: tuple[object, ...]) -> None:
        if len(inputs[0].day) > days:  # type: ignore[attr-defined]
            raise torch.OutOfMemoryError

    return hook


def test_a_block_that_does_not_fit_into_memory_is_trained_in_pieces(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    phase = {"name": "x", "epochs": 1, "learning_rate": 1e-3, "loss": {"mse": 1, "turnover": 1e-9}}
    without_dropout = NETWORK.model_copy(update={"dropout": 0.0, "head_dropout": 0.0})
    watches = [Watch(), Watch()]
    pieces = []
    for watch, most in zip(watches, (16, 5), strict=True):
        trainer = make([watch], size=without_dropout, phases=[phase])
        trainer.network.register_forward_pre_hook(run_out_above(most))
        trainer.fit()
        pieces.append(trainer.train_step.pieces_per_block)

    assert pieces == [1, 4]
    assert len(watches[0].terms) == len(watches[1].terms)
    whole, cut = ([terms["mse"] for terms in watch.terms] for watch in watches)
    assert whole == pytest.approx(cut, rel=1e-4)
    assert "losses that compare days now compare only days of one piece: turnover" in caplog.messages


def test_a_block_of_one_day_that_does_not_fit_is_an_error(make: Make) -> None:
    trainer = make(phases=PHASES[:1])
    trainer.network.register_forward_pre_hook(run_out_above(0))

    with pytest.raises(torch.OutOfMemoryError):
        trainer.fit()


def test_a_cpu_out_of_memory_is_recognised() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**50)

    assert is_out_of_memory(caught.value)
    assert is_out_of_memory(torch.OutOfMemoryError())
    assert not is_out_of_memory(RuntimeError("shapes do not fit"))


@pytest.mark.slow
def test_without_a_compiler_training_warns_and_has_the_same_scores(
    make: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CXX", "/nowhere/g++")
    monkeypatch.setenv("TORCHINDUCTOR_FORCE_DISABLE_CACHES", "1")
    torch._inductor.config.cpp.cxx = ("/nowhere/g++",)
    torch.compiler.reset()
    histories = []
    for compile in (False, True):
        trainer = make(compile=compile, phases=[PHASES[0] | {"epochs": 1}])
        trainer.fit()
        histories.append(trainer.progress.history)

    assert histories[0] == histories[1]
    assert [record for record in caplog.records if record.message.startswith("the network is not compiled and slower")]


@pytest.mark.slow
def test_a_compiled_training_gives_nearly_the_same_numbers(make: Make) -> None:
    torch.compiler.reset()
    losses = []
    for compile in (False, True):
        watch = Watch()
        without_dropout = NETWORK.model_copy(update={"dropout": 0.0, "head_dropout": 0.0})
        make([watch], size=without_dropout, compile=compile, phases=[PHASES[1] | {"epochs": 1}]).fit()
        losses.append([terms["loss"] for terms in watch.terms])

    assert losses[0] == pytest.approx(losses[1], rel=1e-3)
