"""`make golden`: the published examples through the gRPC API; exit status 1 when one is wrong."""

import asyncio
import sys

from tests.data_files import find_data
from tests.golden.run import read, results, table
from tests.server_process import running_server


def main() -> int:
    """Run all examples, print the table, and return the exit status."""
    path = find_data("worked_examples.json")
    if path is None:
        print("worked_examples.json is not there; VCCI_TEST_DATA names the folder that has it", file=sys.stderr)
        return 1
    with running_server() as server:
        found = asyncio.run(results(server, read(path)))
    print(table(found))
    return 0 if all(of.right for of in found) else 1


if __name__ == "__main__":
    sys.exit(main())
