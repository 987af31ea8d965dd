"""A tenant of this folder's own: its inventory is all that is stored."""

import pytest

from tests.clients.commands import Commands
from tests.clients.reports.inventory import store
from tests.server_process import ServerProcess


@pytest.fixture(scope="package")
def server(shared_server: ServerProcess) -> ServerProcess:
    """The server, for a tenant of the folder's own."""
    return shared_server.for_own_tenant()


@pytest.fixture(scope="package")
def commands(server: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> Commands:
    """Commands against it, with the inventory stored, of which a run has restated 2023."""
    commands = Commands(server)
    store(commands, tmp_path_factory.mktemp("inventory"))
    return commands
