"""Names in the UK DESNZ flat file, to units, codes and countries."""

import re
from collections.abc import Iterable, Mapping

# Unit of measure, to the unit as pint reads it and the last part of the code. Net and gross calorific value are the
# same unit of different activities, so only the code tells them apart.
UNITS: Mapping[str, tuple[str, str]] = {
    "kg": ("kg", "kg"),
    "tonnes": ("tonne", "tonne"),
    "litres": ("litre", "litre"),
    "million litres": ("megalitre", "million_litres"),
    "cubic metres": ("m**3", "m3"),
    "kWh": ("kWh", "kwh"),
    "kWh (Net CV)": ("kWh", "kwh_net"),
    "kWh (Gross CV)": ("kWh", "kwh_gross"),
    "GJ": ("GJ", "gj"),
    "km": ("km", "km"),
    "miles": ("mile", "mile"),
    "tonne.km": ("tonne*km", "tonne_km"),
    "passenger.km": ("passenger*km", "passenger_km"),
    "Room per night": ("room*night", "room_night"),
    "per FTE Working Hour": ("hour", "hour"),
}

# Countries of the hotel stays, ISO 3166-1 alpha-2.
COUNTRIES: Mapping[str, str] = {
    "UK": "GB", "UK (London)": "GB", "Argentina": "AR", "Australia": "AU", "Austria": "AT", "Belgium": "BE",
    "Brazil": "BR", "Canada": "CA", "Chile": "CL", "China": "CN", "Colombia": "CO", "Costa Rica": "CR",
    "Czech Republic": "CZ", "Egypt": "EG", "Fiji": "FJ", "Finland": "FI", "France": "FR", "Germany": "DE",
    "Greece": "GR", "Hong Kong, China": "HK", "India": "IN", "Indonesia": "ID", "Ireland": "IE", "Israel": "IL",
    "Italy": "IT", "Japan": "JP", "Jordan": "JO", "Kazakhstan": "KZ", "Korea": "KR", "Macau, China": "MO",
    "Malaysia": "MY", "Maldives": "MV", "Mexico": "MX", "Netherlands": "NL", "New Zealand": "NZ", "Oman": "OM",
    "Panama": "PA", "Peru": "PE", "Philippines": "PH", "Poland": "PL", "Portugal": "PT", "Qatar": "QA",
    "Romania": "RO", "Russian Federation": "RU", "Saudi Arabia": "SA", "Singapore": "SG", "South Africa": "ZA",
    "Spain": "ES", "Switzerland": "CH", "Taiwan, China": "TW", "Thailand": "TH", "Turkey": "TR",
    "United Arab Emirates": "AE", "United States": "US", "Vietnam": "VN",
}  # fmt: skip

_TRANSPORT = re.compile(r"veh|travel|freight|EVs", re.IGNORECASE)


def distinct(parts: Iterable[str]) -> list[str]:
    """Return the parts without those that are empty or repeat the part before."""
    kept: list[str] = []
    for part in parts:
        if part and part not in kept[-1:]:
            kept.append(part)
    return kept


def code_of(levels: Iterable[str], unit_part: str) -> str:
    """Return the levels as one code: `fuels.liquid_fuels.diesel_average_biofuel_blend.litre`."""
    return ".".join(distinct([*(_slug(level) for level in levels), unit_part]))


def is_transport(level_1: str) -> bool:
    """Whether a level 1 moves goods or people, or is the upstream part of doing so."""
    return _TRANSPORT.search(level_1) is not None


def _slug(text: str) -> str:
    without_thousands = re.sub(r"(?<=\d),(?=\d)", "", text.lower())
    return re.sub(r"[^a-z0-9]+", "_", without_thousands).strip("_")
