"""The record of champion and challenger: which run makes the live forecasts, since when and why."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Literal, Self

from pydantic import Field

from ..advice import advise_command
from ..files import atomic_write, parse_model, read_json
from ..locks import wait_for_lock
from ..params import InputError, Params

Role = Literal["champion", "challenger", "other"]

CHAMPION: Role = "champion"
CHALLENGER: Role = "challenger"
OTHER: Role = "other"
CHAMPION_FILE = "champion.json"  # next to the folder of all runs
MODEL_ROLE_FILE = "model_role.json"  # in the folder of a run


def format_time(time: datetime | None = None) -> str:
    """Format a local time for the record; by default the current one."""
    return f"{time or datetime.now():%Y-%m-%d %H:%M:%S}"


class GateRule(Params):
    """One rule of the gate and its result."""

    name: str
    is_met: bool
    result: str  # the values that were compared, as a sentence


class GateVerdict(Params):
    """The comparison of a challenger with the champion."""

    challenger: str
    champion: str | None
    made_at: str = Field(default_factory=format_time)
    first: str | None  # first and last gate day that is scored; None if no day is
    last: str | None
    rules: tuple[GateRule, ...]

    @property
    def passed(self) -> bool:
        """Return whether every rule is met."""
        return all(rule.is_met for rule in self.rules)


class Promotion(Params):
    """A change of the champion."""

    run: str
    at: str = Field(default_factory=format_time)  # local time
    how: Literal["first", "gate", "forced", "rollback"]
    reason: str
    verdict: GateVerdict | None = None


class ModelRole(Params):
    """The role of a run's model when it was exported."""

    run: str
    role: Role


class ChampionRecord(Params):
    """The runs that forecast now, and every change of the champion, the oldest first."""

    champion: str | None = None
    challenger: str | None = None
    history: tuple[Promotion, ...] = ()

    def promote(self, promotion: Promotion) -> Self:
        """Make a run the champion; the replaced champion becomes the challenger."""
        if promotion.run == self.champion:
            raise InputError(f"Run {promotion.run} is already the champion.")
        names = {"champion": promotion.run, "challenger": self.champion}
        return self.model_copy(update={**names, "history": (*self.history, promotion)})

    def add_candidate(self, run: str) -> Self:
        """Make a new candidate the challenger; the first one is the champion."""
        if self.champion is None:
            return self.promote(Promotion(run=run, how="first", reason="the first candidate"))
        return self if run == self.champion else self.model_copy(update={"challenger": run})

    def find_role(self, run: str) -> Role:
        """Return the role of a run."""
        return CHAMPION if run == self.champion else CHALLENGER if run == self.challenger else OTHER

    def find_previous(self) -> str:
        """Find the champion that a rollback restores."""
        champions: list[str] = []
        for change in self.history:
            champions = champions[:-1] if change.how == "rollback" else [*champions, change.run]
        if len(champions) < 2:
            raise InputError(f"There is no earlier champion: {advise_command('atft champion')} shows the history.")
        return champions[-2]

    @property
    def since(self) -> datetime | None:
        """Return the time of the last change; None without a champion."""
        return datetime.fromisoformat(self.history[-1].at) if self.history else None


def read_record(path: Path) -> ChampionRecord | None:
    """Read the record; None before the first change."""
    return parse_model(read_json(path), ChampionRecord, path) if path.exists() else None


def lock_record(path: Path) -> AbstractContextManager[None]:
    """Wait until no other process changes the record, and hold its lock."""
    return wait_for_lock(path.with_name(f".{path.name}.lock"))


def update_record(
    path: Path, start: ChampionRecord, change: Callable[[ChampionRecord], ChampionRecord]
) -> ChampionRecord:
    """Change the record and write it atomically; ``start`` is changed if there is no file yet.

    A process that is killed leaves the old record or the new one. Other processes wait for the change.
    """
    with lock_record(path):
        record = change(read_record(path) or start)
        with atomic_write(path) as partial:
            partial.write_text(record.model_dump_json(indent=2))
    return record
