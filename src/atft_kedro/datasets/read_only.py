"""Base class of datasets that are only read."""

from typing import Any, ClassVar, TypeVar

from kedro.io import AbstractDataset, DatasetError

T = TypeVar("T")


class ReadOnlyDataset(AbstractDataset[None, T]):
    """A dataset that refuses to be saved and always exists."""

    reason: ClassVar[str]  # why it is never written, as a sentence

    def __init__(self, *, metadata: dict[str, Any] | None = None) -> None:
        self.metadata = metadata

    def save(self, data: None) -> None:
        """Refuse to save."""
        raise DatasetError(f"{self.reason} Nothing is saved to a {type(self).__name__}.")

    def _describe(self) -> dict[str, Any]:
        return {}

    def _exists(self) -> bool:
        return True
