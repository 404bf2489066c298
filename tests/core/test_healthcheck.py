"""`python -m core.healthcheck`: what it says of a service that answers, is not ready, hangs, or is gone."""

import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from core import healthcheck


class _Service(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/livez" else 503)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def service():
    server = HTTPServer(("127.0.0.1", 0), _Service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_service_that_answers_is_healthy_and_one_that_refuses_is_not(service, capsys, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert healthcheck.main([], f"{service}/livez") == 0
    assert healthcheck.main([f"{service}/livez"], None) == 0
    assert healthcheck.main([], f"{service}/readyz") == 1
    assert "answers 503" in capsys.readouterr().err


def test_a_service_that_is_gone_or_hangs_is_not_healthy(free_port, capsys, monkeypatch):
    assert healthcheck.main([], f"http://127.0.0.1:{free_port}/livez") == 1
    monkeypatch.setattr(healthcheck, "_PATIENCE", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert healthcheck.main([], f"http://127.0.0.1:{silent.getsockname()[1]}/livez") == 1
    assert capsys.readouterr().err.count("does not answer") == 2


@pytest.mark.parametrize("url", [None, "", "livez", "https://127.0.0.1/livez", "http://127.0.0.1:x/livez"])
def test_what_cannot_be_asked_is_wrong_usage(url, capsys):
    assert healthcheck.main([], url) == 2
    assert "HEALTH_URL" in capsys.readouterr().err
