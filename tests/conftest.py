"""Keep the developer's own settings out of the tests, so that none of them reaches a real service or database.

And the server that tests share which neither end it nor give it settings.
"""

import os
from collections.abc import Iterator

import pytest

from tests.server_process import ServerProcess, running_server

for name in [name for name in os.environ if name.startswith("VCCI_") and not name.startswith("VCCI_TEST_")]:
    del os.environ[name]

# Tests start processes while channels are open; gRPC's handlers crash the child of such a fork now and then.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"


@pytest.fixture(scope="session")
def shared_server() -> Iterator[ServerProcess]:
    """The service as a process of its own: each module takes a tenant of its own (`for_own_tenant`)."""
    with running_server() as process:
        yield process
