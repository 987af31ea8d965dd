"""The gRPC front of VCCI, with its storage."""

import os

# PostgreSQL's tools are started by fork while gRPC's threads run, and its handlers of fork cannot do their work then.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
