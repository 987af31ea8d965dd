"""Commands against a server, as a person types them."""

import json
from typing import Any

from click.testing import CliRunner, Result
from vcci_client.cli import vcci

from tests.server_process import ServerProcess


class Commands:
    """Commands against a server."""

    def __init__(self, server: ServerProcess) -> None:
        self._env = {"VCCI_SERVER": server.listening, "VCCI_TOKEN": server.token()}

    def run(self, *arguments: str, status: int = 0) -> Result:
        result = CliRunner().invoke(vcci, arguments, env=self._env)
        assert result.exit_code == status, result.output
        return result

    def lines(self, *arguments: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.run(*arguments, "--json").stdout.splitlines()]
