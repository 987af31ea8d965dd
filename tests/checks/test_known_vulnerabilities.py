"""The check of pins: what is known fails it, and a database that does not answer in time does not."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from checks.known_vulnerabilities import FILES, known, main, pins

PINNED = [("safe", "1.0"), ("broken", "2.0.1")]


class _Database(BaseHTTPRequestHandler):
    """Knows one vulnerability, of every `broken`, in the form of OSV's answers."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["queries"]
        results = [{"vulns": [{"id": "PYSEC-1"}]} if of["package"]["name"] == "broken" else {} for of in asked]
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"results": results}).encode())

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@contextmanager
def _database() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Database)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_pin_is_found_in_a_file(file: Path) -> None:
    text = file.read_text()
    found = pins(text)
    assert len(found) == sum("==" in line for line in text.splitlines() if line[:1].isalnum()) > 0
    assert "numpy" in dict(found)


def test_the_pins_of_the_project_and_of_peers_are_compared() -> None:
    assert {file.name for file in FILES} == {"constraints.txt", "fastapi.txt", "flight.txt", "psycopg.txt"}


def test_what_is_known_is_told_by_pin() -> None:
    with _database() as service:
        assert known(PINNED, service, 10) == {"broken==2.0.1": ["PYSEC-1"]}
        assert known(PINNED[:1], service, 10) == {}
        assert main(service) == 0


def test_a_database_that_cannot_be_reached_or_says_nothing_is_no_fault(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent_port = silent.getsockname()[1]
        assert main(f"http://127.0.0.1:{silent_port}", 0.2) == 0
    assert main(f"http://127.0.0.1:{silent_port}", 10) == 0  # nobody listens there any more
    assert capsys.readouterr().out.count("were not compared") == 2
