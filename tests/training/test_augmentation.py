"""Augmentation: the size of each change; no change moves information from later days to a forecast."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from atft_kedro.panel.blocks import Block, BlockReader
from atft_kedro.training.augmentation import AugmentParams, augment
from atft_kedro.training.data import TrainingData
from factories.training import Make, Watch

LOOKBACK, DAYS = 12, 6


@pytest.fixture
def block(training_data: TrainingData) -> Block:
    torch.manual_seed(0)
    return BlockReader(training_data.panel, training_data.graphs, LOOKBACK, DAYS).read(np.arange(100, 100 + DAYS))


def test_nothing_is_changed_by_default(block: Block) -> None:
    assert augment(block, AugmentParams()) is block


def test_noise_has_its_deviation_and_leaves_missing_missing(block: Block) -> None:
    noisy = augment(block, AugmentParams(feature_noise=0.5))

    added = (noisy.features - block.features).float()
    assert added.nan_to_num().std() == pytest.approx(0.5 * (~added.isnan()).float().mean().sqrt().item(), rel=0.05)
    assert noisy.features.isnan().equal(block.features.isnan())


def test_masked_steps_are_consecutive_and_never_forecast_days(block: Block) -> None:
    masked = augment(block, AugmentParams(time_mask=4))

    masked_steps = (masked.features.isnan().all(-1) & ~block.features.isnan().all(-1)).long()  # (stock, step)
    assert 0 < masked_steps.sum(1).max() <= 4
    assert (masked_steps.diff(dim=1).abs().sum(1) <= 2).all()
    assert not masked_steps[:, LOOKBACK - 1 :].any()
    kept = ~masked_steps.bool()
    assert masked.features[kept].nan_to_num().equal(block.features[kept].nan_to_num())


def test_permuted_history_is_the_same_history_in_another_order_and_shows_no_later_day(block: Block) -> None:
    permuted = augment(block, AugmentParams(segment_permutation=3))

    assert permuted.features[:, LOOKBACK - 1 :].nan_to_num().equal(block.features[:, LOOKBACK - 1 :].nan_to_num())
    assert not permuted.row_day.equal(block.row_day)
    assert permuted.row_day[:, : LOOKBACK - 1].sort(1).values.equal(block.row_day[:, : LOOKBACK - 1].sort(1).values)
    sources = permuted.rows[:, :, None].eq(block.rows[:, None, :]).float().argmax(-1)  # where each step came from
    moved = block.features.gather(1, sources.unsqueeze(-1).expand_as(block.features))
    present = block.is_present.all(1)
    assert permuted.features[present].nan_to_num().equal(moved[present].nan_to_num())


def test_mixed_stocks_lie_between_two_of_the_same_days(block: Block) -> None:
    target = torch.arange(len(block.stock)).float()
    marked = replace(
        block,
        features=target.half()[:, None, None].expand_as(block.features).clone(),
        targets=target[None, :, None].expand_as(block.targets).clone(),
    )

    mixed = augment(marked, AugmentParams(mixup=0.4))

    changed = (mixed.targets[0, :, 0] != target).nonzero().flatten()
    assert len(changed) > len(target) / 4
    assert torch.allclose(mixed.features[:, 0, 0].float(), mixed.targets[0, :, 0], rtol=2e-3)  # in the same share
    assert (mixed.features == mixed.features[:, :1, :1]).all()
    absent = (~block.is_present).any(1).nonzero().flatten()
    for stock in set(changed.tolist()) & set(absent.tolist()):
        same = (block.rows < 0).eq(block.rows[stock] < 0).all(1)
        assert same.sum() > 1


def test_dropped_edges_are_absent_and_the_others_stay(block: Block) -> None:
    cut = augment(block, AugmentParams(edge_dropout=0.5))

    had, has = block.neighbours >= 0, cut.neighbours >= 0
    assert has.sum() / had.sum() == pytest.approx(0.5, abs=0.06)
    assert cut.neighbours[has].equal(block.neighbours[has])
    assert not (has & ~had).any()
    assert (cut.edges[~has] == 0).all()


def test_a_phases_augmentation_reaches_the_network_and_validation_stays_as_it_is(make: Make) -> None:
    phase = {"name": "x", "epochs": 1, "learning_rate": 1e-12}
    watches, scores = [Watch(), Watch()], []
    for watch, noise in zip(watches, (0.0, 3.0), strict=True):
        trainer = make([watch], phases=[phase | {"augment": {"feature_noise": noise}}])
        trainer.fit()
        scores.append(trainer.progress.history[0]["rank_ic_1d"])

    plain, noisy = (watch.terms[0]["mse"] for watch in watches)
    assert plain != noisy
    assert scores[0] == pytest.approx(scores[1], abs=1e-6)
