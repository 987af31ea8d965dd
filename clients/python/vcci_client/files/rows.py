"""Activities that a program hands over one by one, as mappings of field names to values."""

from collections.abc import Iterable, Iterator, Mapping

from vcci_client.activities import Activities
from vcci_client.assemble import Assembler
from vcci_client.fields import FIELDS
from vcci_client.files import objects
from vcci_client.mapping import Mapping as FieldMapping
from vcci_client.mapping import native_mapping

NATIVE: FieldMapping = native_mapping(FIELDS, "the rows")


def activities_of(rows: Iterable[Mapping[str, object]], size: int) -> Iterator[Activities]:
    """Yield the rows in batches of `size`; a row with an unknown field is rejected by the server, as one in a file."""
    assembler = Assembler(NATIVE)
    checked = (objects.checked(row, FIELDS) for row in rows)
    return map(assembler.activities, objects.chunks(checked, FIELDS, size))
