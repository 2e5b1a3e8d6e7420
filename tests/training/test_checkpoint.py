"""Writing and reading of checkpoints."""

import resource
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from atft_kedro.params import InputError
from atft_kedro.training.callbacks import Checkpoints
from atft_kedro.training.checkpoint import (
    LAST,
    Identity,
    State,
    read_checkpoint,
    require_same_structure,
    write_checkpoint,
)
from factories.training import IDENTITY, NETWORK, Make


def test_a_full_disk_keeps_the_previous_checkpoint_and_is_an_error(make: Make, tmp_path: Path) -> None:
    trainer = make(size=NETWORK.model_copy(update={"hidden_size": 128, "selection_size": 512}))
    checkpoints = Checkpoints(tmp_path, IDENTITY, keep=3)
    checkpoints.write(trainer, LAST)
    before = (tmp_path / LAST).read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, hard))
    try:
        with pytest.raises(InputError, match=r"last.pt cannot be written: .* An earlier version is unchanged"):
            checkpoints.write(trainer, LAST)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)

    assert (tmp_path / LAST).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [LAST]


def test_a_checkpoint_that_is_truncated_malicious_or_of_another_training_is_refused(make: Make, tmp_path: Path) -> None:
    trainer = make()
    Checkpoints(tmp_path, IDENTITY, keep=3).write(trainer, LAST)
    path = tmp_path / LAST

    with pytest.raises(InputError, match="was trained with other features: made instead of other"):
        read_checkpoint(path, Identity("other", "p", "{}"))
    with pytest.raises(InputError, match=r"was trained with another panel: 2e999 instead of 1e999"):  # both infinite
        Identity("made", "1e999", "{}").require_same(path, vars(Identity("made", "2e999", "{}")))
    with pytest.raises(InputError, match=r"was trained with other parameters: size = None instead of 3\."):
        read_checkpoint(path, Identity("made", "p", '{"size": 3}'))
    assert read_checkpoint(path, Identity("made", "p", '{"asked_for_since": null}'))
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(InputError, match="is not a checkpoint that can be read safely"):
        read_checkpoint(path, IDENTITY)
    path.write_bytes(b"")
    with pytest.raises(InputError, match="is not a checkpoint that can be read safely: EOFError"):
        read_checkpoint(path, IDENTITY)
    torch.save({"identity": Malicious()}, path)
    with pytest.raises(InputError, match="is not a checkpoint that can be read safely"):
        read_checkpoint(path, IDENTITY)
    with pytest.raises(InputError, match="There is no checkpoint"):
        read_checkpoint(tmp_path / "absent.pt", IDENTITY)


def rename_field_of_progress(tree: State) -> None:
    tree["progress"]["step"] = tree["progress"].pop("step_of_epoch")


def rename_weight(tree: State) -> None:
    tree["ema"]["output.bias"] = tree["ema"].pop("heads.linear.bias")


def reshape_weight(tree: State) -> None:
    tree["swa"]["heads.linear.bias"] = tree["swa"]["heads.linear.bias"][1:]


def drop_optimizer_groups(tree: State) -> None:
    tree["optimizer"]["param_groups"] = []


def drop_pieces(tree: State) -> None:
    del tree["pieces_per_block"]


def drop_time(tree: State) -> None:
    del tree["times"]["reading_seconds"]


def drop_totals(tree: State) -> None:
    del tree["processes"][0]["totals"]


def drop_identity(tree: State) -> None:
    del tree["identity"]


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (rename_field_of_progress, "progress.step, progress.step_of_epoch"),
        (rename_weight, "ema.heads.linear.bias, ema.output.bias"),
        (reshape_weight, "swa.heads.linear.bias"),
        (drop_optimizer_groups, "optimizer"),
        (drop_pieces, "pieces_per_block"),
        (drop_time, "times.reading_seconds"),
        (drop_totals, "processes.totals"),
        (drop_identity, "identity"),
    ],
)
def test_a_checkpoint_with_other_keys_was_written_by_another_version(
    make: Make, tmp_path: Path, change: Callable[[State], None], name: str
) -> None:
    trainer, path = make(), tmp_path / LAST
    tree: State = {"identity": vars(IDENTITY), **trainer.state()}
    change(tree)
    write_checkpoint(path, tree)

    with pytest.raises(InputError, match=rf"last.pt was written by another version .* missing: {name}"):
        require_same_structure(path, read_checkpoint(path, IDENTITY), trainer.state())


def test_an_error_of_the_disk_is_not_reported_as_a_broken_file(tmp_path: Path) -> None:
    (tmp_path / LAST).symlink_to("/proc/self/mem")  # its first bytes cannot be read

    with pytest.raises(OSError, match="Input/output error"):
        read_checkpoint(tmp_path / LAST, IDENTITY)


class Malicious:
    """Would run a command when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("a checkpoint ran code",))
