"""The fields of an activity by the names that files, mappings and rows use."""

REQUIRED = ("supplier_code", "category", "reporting_period", "quantity", "unit")
SCORES = ("reliability", "completeness", "temporal", "geographical", "technological")
OPTIONAL = ("supplier_name", "country", "method", "factor", "group", *SCORES, "reference")

# The named inputs of the engine's methods, each in its own unit; a test compares them.
INPUTS = (
    *("supplier_factor", "distance", "mass", "mass_per_item", "volume", "area", "days", "nights", "years", "rooms"),
    *("passengers", "vehicles", "fuel_per_distance", "uses", "energy_per_use", "items", "trips", "share"),
    *("radiative_forcing", "fuel_per_use", "energy_per_distance", "commuting_days", "loss_rate", "release_rate"),
    *("sector_share", "franchises", "part", "outstanding", "whole", "total_area", "occupancy", "franchises_sampled"),
    *("evic", "equity", "debt", "property_value", "vehicle_value", "gdp", "fuel_price"),
    *("combustion_factor", "loss_factor", "pcaf_score", "base_evic", "functional_units", "price_basis", "margins"),
)

FIELDS = (*REQUIRED, *OPTIONAL, *INPUTS)

# Longest texts that the server takes, UTF-8 bytes.
MAX_BYTES = {"supplier_name": 256}
MAX_BYTES_ELSE = 128


def wire_name(field: str) -> str:
    """Return the field's name in an Activity: row errors name it so."""
    return f"inputs.{field}" if field in INPUTS else _WIRE_NAMES.get(field, field)


_WIRE_NAMES = {score: f"quality.{score}" for score in SCORES}
