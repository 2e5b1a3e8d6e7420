"""What is found of a setup, with what to do about it; and of its packages, the first thing to look at."""

import platform
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal, get_args

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

State = Literal["ok", "warn", "error"]
INSTALL = "pip install -e . -c constraints.txt"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at; what is not ok comes with advice."""

    name: str
    state: State
    found: str
    advice: str = ""


def find_worst(checks: Iterable[Check]) -> State:
    """Name the worst state of all."""
    return max((check.state for check in checks), key=get_args(State).index, default="ok")


def list_some(said: Sequence[str], most: int = 4) -> str:
    """Write the first few, and how many there are beside."""
    more = f"; and {len(said) - most} more" if len(said) > most else ""
    return "; ".join(said[:most]) + more


def show(path: Path) -> str:
    """Write a path as short as it can be, seen from here."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def check_python(wanted: str) -> Check:
    """Compare this Python with the versions that the project runs on."""
    found = platform.python_version()
    if SpecifierSet(wanted).contains(found, prereleases=True):
        return Check("python", "ok", found)
    return Check("python", "error", f"{found}, needs {wanted}", f"with such a Python: python -m venv .venv, {INSTALL}")


def check_packages(requirements: Iterable[str]) -> Check:
    """Compare what is installed with what the project asks for."""
    needed = list(_parse(requirements))
    wrong = [
        f"{each.name} {_find(each) or 'is missing'}, needs {each.specifier or 'any'}"
        for each in needed
        if not _fits(each)
    ]
    if wrong:
        return Check("packages", "error", list_some(wrong), INSTALL)
    return Check("packages", "ok", f"{len(needed)} as pyproject.toml asks for them")


def check_lock(lock: Path, requirements: Iterable[str]) -> Check:
    """Compare what is installed with the versions that were locked; what is locked need not be installed."""
    if not lock.exists():
        return Check("lock", "warn", f"there is no {lock.name}: versions are not locked", "make lock")
    locked = {canonicalize_name(each.name): each for each in _parse(lock.read_text().splitlines())}
    other = [f"{each.name} {found}, locked {each.specifier}" for each in locked.values() if (found := _differs(each))]
    if other:
        return Check("lock", "warn", f"{len(other)} differ: {list_some(other)}", INSTALL)
    lacking = [each.name for each in _parse(requirements) if canonicalize_name(each.name) not in locked]
    if lacking:
        return Check("lock", "warn", f"{lock.name} lacks {list_some(lacking)}", "make lock")
    return Check("lock", "ok", f"{len(locked)} versions locked, all that are installed are those")


def _parse(lines: Iterable[str]) -> Iterator[Requirement]:
    """Read requirements that hold here; comments, options and what only extras need are left out."""
    for line in (each.partition("#")[0].strip() for each in lines):
        if line and not line.startswith("-"):
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                yield requirement


def _find(requirement: Requirement) -> str | None:
    try:
        return version(requirement.name)
    except PackageNotFoundError:
        return None


def _fits(requirement: Requirement) -> bool:
    """Say whether what is installed will do; `+cpu` and the like do not count."""
    found = _find(requirement)
    return found is not None and requirement.specifier.contains(found, prereleases=True)


def _differs(requirement: Requirement) -> str | None:
    """Name the installed version where there is one, and it is another."""
    return None if _fits(requirement) else _find(requirement)
