"""Notifications reach a real server, and never show the address of a service."""

import json
import logging
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from atft_kedro.datasets import NotificationDataset
from atft_kedro.params import InputError


def test_a_text_is_sent_to_every_service(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    received = []

    class Service(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *values: object) -> None:
            """Print nothing."""

    server = HTTPServer(("127.0.0.1", 0), Service)
    Thread(target=server.serve_forever, daemon=True).start()
    address = f"json://user:secret@127.0.0.1:{server.server_port}/"

    NotificationDataset(credentials={"urls": [address, address]}).load().send("the model has stopped working")
    server.shutdown()
    server.server_close()

    assert [message["message"] for message in received] == ["the model has stopped working"] * 2
    assert "secret" not in caplog.text


def test_a_service_that_fails_is_logged_without_its_address(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    urls = ["nonsense-secret", "json://user:secret@127.0.0.1:9/"]

    NotificationDataset(credentials={"urls": urls}).load().send("text")

    assert [record.message for record in caplog.records if record.name.startswith("atft_kedro")] == [
        "the notification was not sent to service 1 of 2",
        "the notification was not sent to service 2 of 2",
    ]
    assert "secret" not in caplog.text
    assert "secret" not in str(NotificationDataset(credentials={"urls": urls}))


def test_without_addresses_nothing_is_sent() -> None:
    NotificationDataset(credentials={"urls": []}).load().send("text")


def test_addresses_must_be_a_list() -> None:
    for urls in ("json://localhost", None):
        with pytest.raises(InputError, match="notification.urls in conf/local/credentials.yml must be a list"):
            NotificationDataset(credentials={"urls": urls})
    assert "secret" not in repr(NotificationDataset(credentials={"urls": ["json://secret"]}).load())


def test_without_the_package_the_alarm_is_not_lost(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)

    NotificationDataset(credentials={"urls": ["json://localhost"]}).load().send("an alarm")

    assert "pip install 'atft-kedro[notify]'" in caplog.text
