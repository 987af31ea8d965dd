"""The inventory that reports are made of, and the command as a person or a program uses it."""

import json
from pathlib import Path
from typing import Any

from tests.clients.commands import Commands

ROWS = """supplier_code,supplier_name,category,reporting_period,quantity,unit,factor
S-1,=1+1,1,2023-05-17,100,kg,t:steel
S-2,<b>Süd</b>,2,2023-06-17,10,kg,t:steel
S-1,=1+1,1,2024-05-17,50,kg,t:steel
"""
# 2019 and 2020 are compared with 2021: purchases; a chain of a lorry with its fuel's provision, a ship and a hub; a
# carrier's own figures; spend; investments.
EARLIER = """supplier_code,category,reporting_period,quantity,unit,factor,method,group,distance,days,\
supplier_factor,outstanding,evic,equity,debt,pcaf_score
S-1,1,2019-05-17,200,kg,t:steel,,,,,,,,,,
S-1,1,2020-05-17,400,kg,t:steel,,,,,,,,,,
S-1,1,2021-05-17,300,kg,t:steel,,,,,,,,,,
T-1,4,2021-02-01,10,tonne,freight:road_lorry,,Lyon,300,,,,,,,
T-1,4,2021-02-01,10,tonne,freight:road_lorry_upstream,,Lyon,300,,,,,,,
T-2,4,2021-02-03,10,tonne,freight:sea_container,,Lyon,5000,,,,,,,
T-3,4,2021-02-05,20,m3,t:storage,average_distribution,Lyon,,30,,,,,,
T-1,9,2021-03-01,4,tonne,,,Graz,500,,0.08,,,,,
T-1,9,2021-03-02,1000,USD,t:haulage,,,,,,,,,,
I-1,15,2021-12-31,60000,t CO2e,,pcaf_listed_equity,Scope 1 and 2,,,,3,1200,,,2
I-2,15,2021-12-31,5000,t CO2e,,pcaf_business_loans,Scope 1 and 2,,,,1,,30,70,4
"""
FACTORS = "source,code,name,region,year,unit,kg_co2e,gwp_set,gsd2,source_note\n"
FREIGHT = """freight,road_lorry,Lorry of 24 t,,2021,tonne*km,0.1,AR5,1.2,A handbook; lorries
freight,road_lorry_upstream,"Lorry of 24 t, upstream (well to tank)",,2021,tonne*km,0.02,AR5,1.2,A handbook; fuels
freight,sea_container,Container ship,,2021,tonne*km,0.01,AR5,1.2,A handbook; ships
t,storage,Warehouse,,2021,m3*day,0.05,AR5,1.2,A handbook; hubs
t,haulage,Haulage,,2021,USD,0.5,AR5,2.0,A model of an economy
"""


def store(commands: Commands, folder: Path) -> None:
    """Store the inventory; restate the emissions of 2023."""
    (folder / "rows.csv").write_text(ROWS)
    (folder / "earlier.csv").write_text(EARLIER)
    for name, kg in (("old", "2.0"), ("new", "3.0")):
        steel = f"t,steel,Steel,,2023,kg,{kg},AR5,1.1,A handbook; table {kg}\n"
        (folder / f"{name}.csv").write_text(FACTORS + steel + FREIGHT)
    commands.run("factors", "import", str(folder / "old.csv"), "--activate")
    for name in ("rows", "earlier"):
        commands.run("upload", str(folder / f"{name}.csv"))
    commands.run("suppliers", "update", "I-2", "--industry", "D35")
    (made,) = commands.lines("factors", "import", str(folder / "new.csv"))
    commands.run("recalculate", "--factor-set", made["name"], "--year", "2023", "--name", "dearer steel")


def table(path: Path, name: str) -> dict[str, Any]:
    """Return a table of a report in JSON."""
    return tables(path)[name]


def tables(path: Path) -> dict[str, dict[str, Any]]:
    """Return the tables of a report in JSON by name."""
    blocks = [block for section in json.loads(path.read_text())["sections"] for block in section["blocks"]]
    return {block["table"]["name"]: block["table"] for block in blocks if "table" in block}
