"""The gRPC front of VCCI, with its storage."""
