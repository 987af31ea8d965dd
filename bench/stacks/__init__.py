"""Peers that another engineer might build: whole programs, each in an environment of its own (`make bench-peers`).

They import nothing of VCCI: the same rows come as files of NumPy, made by `bench/stack_inputs.py`.
"""
