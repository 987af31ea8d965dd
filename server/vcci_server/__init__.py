"""The gRPC front of VCCI, with its storage."""

import os

# PostgreSQL's tools are started by fork while gRPC's threads run, and its handlers of fork cannot do their work then.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
# Else what peers do to their connections stands among the lines of JSON, as a line of another form.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
