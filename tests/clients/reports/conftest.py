"""A server of this folder's own: its inventory is all that is stored."""

from collections.abc import Iterator

import pytest

from tests.clients.commands import Commands
from tests.clients.reports.inventory import store
from tests.server_process import ServerProcess, running_server


@pytest.fixture(scope="package")
def server() -> Iterator[ServerProcess]:
    """The server."""
    with running_server() as process:
        yield process


@pytest.fixture(scope="package")
def commands(server: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> Commands:
    """Commands against it, with the inventory stored, of which a run has restated 2023."""
    commands = Commands(server)
    store(commands, tmp_path_factory.mktemp("inventory"))
    return commands
