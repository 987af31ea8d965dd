"""Regions of factors: countries, the world, and what lies between: the United Nations' regions and the European Union.

Countries by sub-region are those of UN M49 (Standard country or area codes for statistical use; unstats.un.org), with
Taiwan in Eastern Asia, which M49 does not list.
"""

from collections.abc import Mapping

from vcci_engine.countries import alpha_2

WORLD = ""

_COUNTRIES = """
005 South America: AR BO BR BV CL CO EC FK GF GS GY PE PY SR UY VE
011 Western Africa: BF BJ CI CV GH GM GN GW LR ML MR NE NG SH SL SN TG
013 Central America: BZ CR GT HN MX NI PA SV
014 Eastern Africa: BI DJ ER ET IO KE KM MG MU MW MZ RE RW SC SO SS TF TZ UG YT ZM ZW
015 Northern Africa: DZ EG EH LY MA SD TN
017 Middle Africa: AO CD CF CG CM GA GQ ST TD
018 Southern Africa: BW LS NA SZ ZA
021 Northern America: BM CA GL PM US
029 Caribbean: AG AI AW BB BL BQ BS CU CW DM DO GD GP HT JM KN KY LC MF MQ MS PR SX TC TT VC VG VI
030 Eastern Asia: CN HK JP KP KR MN MO TW
034 Southern Asia: AF BD BT IN IR LK MV NP PK
035 South-eastern Asia: BN ID KH LA MM MY PH SG TH TL VN
039 Southern Europe: AD AL BA ES GI GR HR IT ME MK MT PT RS SI SM VA
053 Australia and New Zealand: AU CC CX HM NF NZ
054 Melanesia: FJ NC PG SB VU
057 Micronesia: FM GU KI MH MP NR PW UM
061 Polynesia: AS CK NU PF PN TK TO TV WF WS
143 Central Asia: KG KZ TJ TM UZ
145 Western Asia: AE AM AZ BH CY GE IL IQ JO KW LB OM PS QA SA SY TR YE
151 Eastern Europe: BG BY CZ HU MD PL RO RU SK UA
154 Northern Europe: AX DK EE FI FO GB GG IE IM IS JE LT LV NO SE SJ
155 Western Europe: AT BE CH DE FR LI LU MC NL
EU European Union: AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK
"""

_REGIONS = """
002 Africa: 011 014 015 017 018
009 Oceania: 053 054 057 061
019 Americas: 005 013 021 029
142 Asia: 030 034 035 143 145
150 Europe: 039 151 154 155
202 Sub-Saharan Africa: 011 014 017 018
419 Latin America and the Caribbean: 005 013 029
"""


def _read(text: str) -> dict[str, tuple[str, list[str]]]:
    """Name and parts by code."""
    lines = (line.partition(": ") for line in text.strip().splitlines())
    return {head[: head.index(" ")]: (head[head.index(" ") + 1 :], parts.split()) for head, _, parts in lines}


_SMALL, _LARGE = _read(_COUNTRIES), _read(_REGIONS)
NAMES: Mapping[str, str] = {code: name for code, (name, _) in (_SMALL | _LARGE).items()}
MEMBERS: Mapping[str, frozenset[str]] = {code: frozenset(parts) for code, (_, parts) in _SMALL.items()} | {
    code: frozenset(country for part in parts for country in _SMALL[part][1]) for code, (_, parts) in _LARGE.items()
}


def is_region(text: str) -> bool:
    """Whether a text is a region of a factor: a country's alpha-2 code, a wider region's code, or empty."""
    return text in MEMBERS or alpha_2(text) == text


def named(region: str) -> str:
    """Return a region for people."""
    if region == WORLD:
        return "the world"
    return f"{region} ({NAMES[region]})" if region in NAMES else region
