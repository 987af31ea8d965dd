"""The contract of VCCI, as Python."""
