"""Files of factors and prices as they are published, to records."""

from collections.abc import Callable, Mapping
from importlib.resources import files
from types import MappingProxyType

from vcci_server.importers import desnz_flat, epa_v1_3, vcci_csv
from vcci_server.importers.record import FactorRecord
from vcci_server.importers.vcci_csv import write_csv

__all__ = ["READERS", "FactorRecord", "starter_factors", "starter_prices", "write_csv"]

# By the name of the format; the options of each are its keyword arguments.
READERS: Mapping[str, Callable[..., list[FactorRecord]]] = MappingProxyType(
    {"vcci_csv": vcci_csv.read, "epa_v1_3": epa_v1_3.read, "desnz_flat": desnz_flat.read}
)


def starter_factors() -> bytes:
    """Return the starter set, in the layout of `vcci_csv`."""
    return (files("vcci_server") / "data" / "starter_factors.csv").read_bytes()


def starter_prices() -> bytes:
    """Return the starter price set, in the layout of `prices_csv`."""
    return (files("vcci_server") / "data" / "starter_prices.csv").read_bytes()
