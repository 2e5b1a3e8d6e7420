"""Checks of the git commit and of earlier trainings."""

import time
from pathlib import Path

from ..advice import advise_command, advise_run
from ..checks import CheckResult
from ..export.model import load_model
from ..export.model_folder import ExportedModels
from ..git import NOT_INSTALLED, read_git_state
from ..panel.scaler import FeatureCatalogue
from ..params import InputError
from ..training.run_status import read_status
from ..training.runs import HEARTBEAT, LATEST, MANIFEST, Runs, read_manifest
from .files import relative_path

FIRST_HEARTBEAT = 600.0  # seconds that a training may take until its first heartbeat


def check_git(folder: Path) -> CheckResult:
    """Check that the project has a git commit and no uncommitted changes."""
    git = read_git_state(folder)
    if git.commit is None:
        fix = "install it" if git.error == NOT_INSTALLED else "git init && git add . && git commit"
        return CheckResult.warn("git", git.error, f"{fix}: each run records its commit")
    commit = f"commit {git.commit[:7]}"
    if git.changed_files:
        advice = "commit: a run of uncommitted code cannot be reproduced"
        return CheckResult.warn("git", f"{commit}, {git.changed_files} uncommitted changes", advice)
    return CheckResult.ok("git", commit)


def check_runs(runs: Runs) -> CheckResult:
    """List the trainings that ended before they were done, and check the link ``latest``."""
    names, latest = runs.names(), runs.folder / LATEST
    unfinished, unreadable = _find_unfinished(runs)
    messages, advice = [f"{len(names)}, of which unfinished: {len(unfinished)}"], []
    if unreadable:
        messages += unreadable[:2]
        advice.append("move the runs that cannot be read out of the folder of runs")
    if unfinished:
        messages += [f"{name} {reason}" for name, reason in unfinished.items()][:2]
        resume = advise_run("--pipelines fit", {"training.resume": next(iter(unfinished))})
        advice.append(f"{resume} resumes it; use the --env and parameters of its first start")
    if (names or latest.is_symlink()) and not (latest / MANIFEST).exists():
        messages.append(f"{relative_path(latest)} does not point to a run")
        advice.append(f"ln -sfn {names[-1]} {relative_path(latest)}" if names else f"rm {relative_path(latest)}")
    return (CheckResult.warn if advice else CheckResult.ok)("runs", "; ".join(messages), *advice)


def _find_unfinished(runs: Runs) -> tuple[dict[str, str], list[str]]:
    """Find unfinished runs that no process trains, the newest first; list the errors of unreadable runs."""
    unfinished, unreadable = {}, []
    for name in reversed(runs.names()):
        try:
            read_manifest(runs.folder / name)
            if (reason := explain_unfinished(runs.folder / name)) and runs.is_free(name):
                unfinished[name] = reason
        except InputError as error:
            unreadable.append(str(error))
    return unfinished, unreadable


def check_champion(models: ExportedModels, catalogue: FeatureCatalogue | None, entry_lag: int) -> CheckResult:
    """Check that the champion can be loaded and knows the features of the dataset.

    ``catalogue`` is that of the configured features or of a user's dataset; None if it is not known yet.
    """
    record = models.record
    if record.champion is None:
        return CheckResult.ok("champion", "none; the first exported model becomes champion")
    try:
        inputs = load_model(models.find(record.champion)).card.inputs
        if catalogue is not None:
            inputs.require_same_features(catalogue, entry_lag)
    except InputError as error:
        promote = advise_command("atft promote RUN --force --reason TEXT")
        train = f"{advise_run()} trains a model for this version; {promote} makes it the champion"
        return CheckResult.error("champion", f"run {record.champion} cannot forecast: {error}", train)
    return CheckResult.ok("champion", f"run {record.champion}, since {record.since}")


def explain_unfinished(folder: Path) -> str | None:
    """Explain where a training died; None if it is done, was stopped or is running."""
    if (folder / HEARTBEAT).exists():
        status = read_status(folder)
        return f"died after step {status.steps} of {status.total_steps}" if status.state == "dead" else None
    is_old = time.time() - (folder / MANIFEST).stat().st_mtime > FIRST_HEARTBEAT
    return "ended before its first step" if is_old else None
