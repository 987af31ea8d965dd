"""Scenario files: the fields of the contract, and what is told of wrong ones."""

import re
import tomllib
from pathlib import Path

import pytest
from google.type.date_pb2 import Date
from vcci.v1.activity_pb2 import METHOD_DISTANCE_BASED
from vcci.v1.hotspot_service_pb2 import Lever
from vcci_client.errors import FileProblem
from vcci_client.scenario_file import load_scenario, parse_scenario

from tests.data_files import ROOT

TEXT = (ROOT / "docs" / "scenarios.md").read_text("utf-8")
(EXAMPLE,) = re.findall(r"^```toml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def test_the_example_of_the_documentation_is_a_scenario() -> None:
    found = parse_scenario(tomllib.loads(EXAMPLE))
    assert found.filter.period_end == Date(year=2025, month=1, day=1)
    assert [lever.WhichOneof("change") for lever in found.levers] == ["factor", "renewable", "quantity", "pathway"]
    assert found.levers[0].costs.investment == 120_000


def test_every_kind_of_lever_is_documented() -> None:
    kinds = [field.name for field in Lever.DESCRIPTOR.oneofs_by_name["change"].fields]
    assert not [kind for kind in kinds if f"`{kind} = {{" not in TEXT]


def test_methods_are_named_as_everywhere() -> None:
    found = parse_scenario(
        {"levers": [{"scope": {"methods": ["distance_based"]}}], "filter": {"methods": ["distance_based"]}}
    )
    assert [*found.levers[0].scope.methods] == [*found.filter.methods] == [METHOD_DISTANCE_BASED]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[[levers]]\nquantty = { change = 1 }", 'no field named "quantty" at "RunScenarioRequest.levers[0]"'),
        ("[[levers]]\nquantity = { change = 'less' }", "less"),
        ("[[levers]]\nscope = { methods = ['walking'] }", "METHOD_WALKING"),
        ("[[levers]]\nquantity = 1\nquantity = 2", "overwrite"),
    ],
)
def test_a_wrong_file_says_where(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(text)
    with pytest.raises(FileProblem, match=r"plan\.toml") as raised:
        load_scenario(path)
    assert told in str(raised.value)


def test_a_file_that_is_not_there_is_a_file_problem(tmp_path: Path) -> None:
    with pytest.raises(FileProblem, match=r"none\.toml"):
        load_scenario(tmp_path / "none.toml")
