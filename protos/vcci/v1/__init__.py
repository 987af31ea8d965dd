"""vcci.v1: messages in *_pb2, services in *_pb2_grpc; both are made by the build."""
