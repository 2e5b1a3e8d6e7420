"""Where the files of a run lie: in the folder of the run that was trained last, or that this process trains."""

from pathlib import Path, PurePath

from pydantic import ValidationError

from ..training.runs import TrainedRun

_RUN = "{run}"  # in a file path of the catalog: the run's name
TRAINED_RUN_FILE = "trained_run.json"  # beside the folder of all runs


class InRunFolder:
    """Mixin for a dataset with a file path: ``{run}`` in it is the name of a run.

    That is ``run`` where a process keeps to one, else the run that ``trained_run.json`` names, which lies beside the
    folder of all runs. A path without ``{run}`` stays as it is.
    """

    run: str | None = None

    @property
    def is_of_a_run(self) -> bool:
        """Return whether the path contains a run's name."""
        return _RUN in str(self._pattern)

    @property
    def _filepath(self) -> Path:
        path = str(self._pattern)
        folder, found, _ = path.partition(_RUN)
        run = (self.run or read_trained_run_name(Path(folder).parent / TRAINED_RUN_FILE)) if found else None
        return Path(path if run is None else path.replace(_RUN, run))

    @_filepath.setter
    def _filepath(self, pattern: PurePath) -> None:
        self._pattern = pattern


def read_trained_run_name(path: Path) -> str | None:
    """Read which run was trained last; None where none was, or where the file names none.

    Loading ``trained_run`` refuses such a file; a training replaces it.
    """
    if not path.exists():
        return None
    try:
        return TrainedRun.model_validate_json(path.read_text()).run
    except ValidationError:
        return None
