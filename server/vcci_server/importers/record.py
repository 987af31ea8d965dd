"""One emission factor, as every importer returns it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from vcci_engine import gwp

# Basic uncertainty of the pedigree method, as ecoinvent tabulates it: squared geometric standard deviations.
GSD2_BASIC = 1.05  # energy, materials, waste services, CO2
GSD2_TRANSPORT = 2.0
GSD2_INFRASTRUCTURE = 3.0

GWP_SETS = (gwp.UNKNOWN_SET, *gwp.GWP_SETS)

MAX_FACTORS = 250_000  # of a set; a file has at most as many lines

# Whatever the file: what a key may consist of, and a name or citation.
SOURCE = re.compile(r"[a-z][a-z0-9_]{0,31}")
CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+/-]{0,199}")
TEXT = re.compile(r"[^\x00-\x1f\x7f]{1,500}")


@dataclass(frozen=True, slots=True)
class FactorRecord:
    """kg CO2e per unit of an activity.

    Where `gases` are known, what the publisher gives as CO2e only stands among them as `CO2e_{set}`; any other
    difference to the sum of gas x GWP (of `gwp_set`) is rounding, or gases left out (vcci_engine.gases.parts_of).
    """

    source: str  # classification: "naics", "desnz", "grid", "fuel"
    code: str  # within the source: "331110"
    name: str
    region: str  # ISO 3166-1 alpha-2; "" is the whole world, or wherever nothing closer is known
    year: int  # that the factor describes
    unit: str  # one unit of activity, as pint reads it: "kg", "kWh", "tonne*km", "USD", "room*night"
    kg_co2e: float  # kg CO2e per unit
    gases: Mapping[str, float]  # kg of each per unit, named as in vcci_engine.gwp; may be empty
    gwp_set: str  # of kg_co2e, one of GWP_SETS; "" is unknown
    gsd2: float  # squared geometric standard deviation of the factor itself
    price_year: int  # of a spend-based factor, else 0
    price_basis: str  # "purchaser", "producer" or ""
    margins: str  # "with", "without" or ""
    source_note: str  # citation: publication, table, row or DOI

    @property
    def key(self) -> str:
        """What an activity names the factor by: `source:code`."""
        return f"{self.source}:{self.code}"
