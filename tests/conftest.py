"""Keep the developer's own settings out of the tests, so that none of them reaches a real service or database."""

import os

for name in [name for name in os.environ if name.startswith("VCCI_") and not name.startswith("VCCI_TEST_")]:
    del os.environ[name]

# Tests start processes while channels are open; gRPC's handlers crash the child of such a fork now and then.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
