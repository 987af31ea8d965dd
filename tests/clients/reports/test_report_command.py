"""`vcci report` and `vcci reports`, as a person or a program uses them."""

from pathlib import Path

import pytest
from vcci_client import Client

from tests.clients.commands import Commands
from tests.clients.reports.inventory import table
from tests.server_process import ServerProcess


def test_a_report_is_of_the_last_year_unless_a_period_is_given(commands: Commands, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    result = commands.run("report", "--kind", "ghg-protocol-scope-3", "-o", str(path))
    assert f"is in {path}" in result.stdout.replace("\n", "")
    assert "writing" in result.stderr
    assert table(path, "categories")["total"]["t_co2e"] == 0.1
    commands.run("report", "--period", "2023", "-o", str(path))
    assert [row["t_co2e"] for row in table(path, "categories")["rows"][:3]] == [0.2, 0.02, None]
    assert [row["year"] for row in table(path, "years")["rows"]] == ["2019", "2020", "2021", "2023"]
    assert table(path, "factor_sources")["rows"][0]["publication"] == "A handbook"


def test_a_report_as_of_a_run_has_its_results_and_tells_of_the_restatement(commands: Commands, tmp_path: Path) -> None:
    (run,) = commands.lines("runs", "list")
    path = tmp_path / "report.json"
    (made,) = commands.lines("report", "--period", "2023", "--as-of", run["name"], "-o", str(path))
    assert table(path, "categories")["total"]["t_co2e"] == pytest.approx(0.33)
    (restated,) = table(path, "restatements")["rows"]
    assert (restated["run"], restated["name"]) == (run["name"], "dearer steel")
    assert (restated["before"], restated["after"]) == pytest.approx((0.22, 0.33))
    assert restated["change"] == pytest.approx(0.5)
    assert made["as_of"] == run["name"]


@pytest.mark.parametrize("ending", ["pdf", "xlsx", "html", "csv", "json"])
def test_a_finished_report_is_fetched_again(commands: Commands, tmp_path: Path, ending: str) -> None:
    path, again = tmp_path / f"report.{ending}", tmp_path / "again"
    (made,) = commands.lines("report", "-o", str(path), "--organization", "Werk Süd GmbH")
    assert made["format"] == f"REPORT_FORMAT_{ending.upper()}"
    assert commands.lines("reports", "list")[0] == made
    commands.run("reports", "download", made["name"].rpartition("/")[2], "-o", str(again))
    assert again.read_bytes() == path.read_bytes()
    assert made["filename"] in commands.run("reports", "list").stdout


def test_a_report_is_deleted(commands: Commands, tmp_path: Path) -> None:
    (made,) = commands.lines("report", "-o", str(tmp_path / "report.csv"))
    assert f"{made['name']} is deleted" in commands.run("reports", "delete", made["name"].rpartition("/")[2]).stdout
    assert made not in commands.lines("reports", "list")
    assert "There is no such report" in commands.run("reports", "delete", made["name"], status=1).output


def test_texts_of_suppliers_are_texts_in_every_format(commands: Commands, tmp_path: Path) -> None:
    for ending in ("html", "csv"):
        commands.run("report", "--period", "2023", "-o", str(tmp_path / f"report.{ending}"))
    page, lines = (tmp_path / "report.html").read_text(), (tmp_path / "report.csv").read_text("utf-8-sig")
    assert "&lt;b&gt;Süd&lt;/b&gt;" in page
    assert "<b>" not in page
    assert ",'=1+1," in lines


def test_the_client_that_waits_makes_and_lists_reports(server: ServerProcess, commands: Commands) -> None:
    from vcci.v1.report_service_pb2 import REPORT_FORMAT_CSV

    with Client(server.listening, server.token()) as client:
        made = client.generate_report(REPORT_FORMAT_CSV, organization="Werk Süd GmbH")
        assert client.get_report(made.report.name) == made.report
        assert client.download_report(made.report.name) == made
        assert next(iter(client.list_reports())) == made.report
        client.delete_report(made.report.name)
        assert made.report not in [*client.list_reports()]


def test_what_the_server_refuses_is_told_in_a_paragraph(commands: Commands, tmp_path: Path) -> None:
    output = commands.run("report", "--period", "1999", "-o", str(tmp_path / "r.pdf"), status=1).output
    assert "there are no emissions from 1999-01-01" in output
    output = commands.run("reports", "download", "999", status=1).output
    assert "There is no such report" in output
    assert "Traceback" not in output
