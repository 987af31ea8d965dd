"""Benchmarks: one question each, the limit or the peer in the same run. docs/benchmarks.md explains them."""
