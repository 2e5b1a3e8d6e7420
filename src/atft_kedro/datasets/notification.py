"""Notifications: texts sent to the services that the user's credentials name."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..params import InputError
from .read_only import ReadOnlyDataset

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Notifier:
    """Sends texts with the package apprise to URLs, which are secret and never logged."""

    urls: Sequence[str] = field(repr=False)

    def send(self, text: str) -> None:
        """Send a text to every service; a failure is only logged."""
        if not self.urls:
            return
        try:
            from apprise import Apprise
        except ModuleNotFoundError:
            _logger.error("nothing was sent: notifications need the package apprise (pip install 'atft-kedro[notify]')")
            return
        logging.getLogger("apprise").setLevel(logging.CRITICAL)  # its messages can contain parts of a URL
        for number, url in enumerate(self.urls, start=1):
            service = Apprise()
            if not (service.add(url) and service.notify(body=text, title="atft-kedro")):
                _logger.error("the notification was not sent to service %d of %d", number, len(self.urls))


class NotificationDataset(ReadOnlyDataset[Notifier]):
    """A notifier for the URLs in the credentials; without URLs it sends nothing.

    Example usage for the YAML API:

        notification:
          type: atft_kedro.datasets.NotificationDataset
          credentials: notification    # conf/local/credentials.yml: {notification: {urls: ["mailto://…"]}}
    """

    reason = "Notifications are sent through a notifier."

    def __init__(self, *, credentials: Mapping[str, Any], metadata: dict[str, Any] | None = None) -> None:
        super().__init__(metadata=metadata)
        urls = credentials.get("urls")
        if not isinstance(urls, Sequence) or isinstance(urls, str):
            raise InputError("notification.urls in conf/local/credentials.yml must be a list of addresses.")
        self._urls: tuple[str, ...] = tuple(urls)

    def load(self) -> Notifier:
        """Return a notifier."""
        return Notifier(self._urls)
