"""The engine's fuels are those of the official file."""

from vcci_engine.fuels import FUELS
from vcci_server.importers import READERS

from tests.data_files import shared_data

ENDINGS = {"tonne": "tonne", "m3": "m3", "litre": "m3", "kwh_net": "kwh_net", "kwh_gross": "kwh_gross"}


def test_each_fuel_has_the_figures_of_desnz_2025() -> None:
    records = READERS["desnz_flat"](shared_data("desnz2025_flat.xlsx").read_bytes())
    published = {record.code: record.kg_co2e for record in records}
    for fuel in FUELS:
        found = {
            measure: published[code] * (1000 if ending == "litre" else 1)
            for ending, measure in ENDINGS.items()
            if (code := f"fuels.{fuel.desnz}.{ending}") in published
        }
        assert found == {measure: value for measure in ENDINGS.values() if (value := fuel.per(measure))}, fuel.name
