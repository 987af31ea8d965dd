"""What there is to back up: tables, the order in which they can be restored, and numbers that go on. From the catalog,
so that a table of a later migration is not forgotten.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from graphlib import TopologicalSorter

from vcci_server.storage.pool import Connection
from vcci_server.storage.queries import QUERIES

TENANT = "tenant_id"


@dataclass(frozen=True, slots=True)
class Table:
    """A table, the columns that are stored, and those of its key."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]

    def rows(self, *, of_tenant: bool) -> str:
        """Return the query of its rows, those of the tenant $1 or all."""
        return QUERIES["backup_rows"].format(
            columns=", ".join(map(quoted, self.columns)),
            table=quoted(self.name),
            condition=f"{TENANT} = $1" if of_tenant else "true",
            key=", ".join(map(quoted, self.key)),
        )


async def read_tables(db: Connection) -> list[Table]:
    """Return the tables, those that others refer to first."""
    rows = await db.fetch(QUERIES["backup_tables"])
    tables = {row["name"]: Table(row["name"], tuple(row["columns"]), tuple(row["key"])) for row in rows}
    references = [(row["name"], row["refers_to"]) for row in await db.fetch(QUERIES["backup_references"])]
    return [tables[name] for name in _ordered(tables, references)]


def _ordered(names: Iterable[str], references: Iterable[tuple[str, str]]) -> Iterable[str]:
    graph: dict[str, set[str]] = {name: set() for name in names}
    for name, refers_to in references:
        graph[name].add(refers_to)
    return TopologicalSorter(graph).static_order()


def quoted(name: str) -> str:
    """Return a name as it stands in SQL."""
    return '"' + name.replace('"', '""') + '"'
