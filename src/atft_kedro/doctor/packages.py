"""Checks of the Python version and the installed packages."""

import platform
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from ..checks import CheckResult
from ..params import list_names
from .files import MAX_LISTED

INSTALL = "pip install -e . -c constraints.txt"


def check_python(required: str) -> CheckResult:
    """Compare this Python with the versions that the project supports."""
    found = platform.python_version()
    if SpecifierSet(required).contains(found, prereleases=True):
        return CheckResult.ok("python", found)
    advice = f"with such a Python: python -m venv .venv, {INSTALL}"
    return CheckResult.error("python", f"{found}, needs {required}", advice)


def check_packages(requirements: Iterable[str]) -> CheckResult:
    """Compare the installed packages with the requirements in pyproject.toml."""
    required = list(_parse(requirements))
    wrong = [
        f"{requirement.name} {_find_version(requirement) or 'is missing'}, needs {requirement.specifier or 'any'}"
        for requirement in required
        if not _is_satisfied(requirement)
    ]
    if wrong:
        return CheckResult.error("packages", list_names(wrong, MAX_LISTED, "; "), INSTALL)
    return CheckResult.ok("packages", f"{len(required)} satisfy pyproject.toml")


def check_lock(lock: Path, requirements: Iterable[str]) -> CheckResult:
    """Compare the installed versions with the locked ones; packages may be missing."""
    if not lock.exists():
        return CheckResult.warn("lock", f"{lock.name} is missing: versions are not locked", "make lock")
    locked = {canonicalize_name(entry.name): entry for entry in _parse(lock.read_text().splitlines())}
    different = [
        f"{entry.name} {found}, locked {entry.specifier}"
        for entry in locked.values()
        if (found := _find_version(entry)) is not None and not _is_satisfied(entry)
    ]
    if different:
        return CheckResult.warn("lock", f"{len(different)} differ: {list_names(different, MAX_LISTED, '; ')}", INSTALL)
    missing = [entry.name for entry in _parse(requirements) if canonicalize_name(entry.name) not in locked]
    if missing:
        return CheckResult.warn("lock", f"{lock.name} lacks {list_names(missing, MAX_LISTED)}", "make lock")
    return CheckResult.ok("lock", f"{len(locked)} versions locked; every installed one is the locked one")


def _parse(lines: Iterable[str]) -> Iterator[Requirement]:
    """Parse requirements; skip comments, options, extras and other platforms."""
    for line in (text.partition("#")[0].strip() for text in lines):
        if line and not line.startswith("-"):
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                yield requirement


def _find_version(requirement: Requirement) -> str | None:
    try:
        return version(requirement.name)
    except PackageNotFoundError:
        return None


def _is_satisfied(requirement: Requirement) -> bool:
    """Check the installed version; local parts such as ``+cpu`` are ignored."""
    found = _find_version(requirement)
    return found is not None and requirement.specifier.contains(found, prereleases=True)
