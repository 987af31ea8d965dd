"""The services of the contract, one module each: one method per RPC, in the order of the protos."""
