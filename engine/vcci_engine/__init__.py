"""The calculation engine: arrays in, arrays out, no I/O."""
