"""Calls read and write as roles that see one tenant: that of the login, which owns the tables, could see nothing.

The login here is no superuser, so that its own policy counts; after the start every table hides its rows from it.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest
from vcci.v1 import emission_service_pb2, factor_service_pb2
from vcci.v1.price_service_pb2 import PriceSetSpec
from vcci_client import AsyncClient
from vcci_server.storage.migrate import migrate

from tests.prices import rate
from tests.server_process import running_server
from tests.uploads import line

HIDDEN = """
SELECT format('ALTER POLICY service ON %s USING (false)', c.oid::regclass) AS statement
FROM pg_class AS c JOIN pg_policy AS p ON p.polrelid = c.oid AND p.polname = 'service'
WHERE c.relname <> 'tenants'
"""  # a token's tenant is looked up before anybody is known
STARTER = factor_service_pb2.FACTOR_FORMAT_STARTER
ROW = {"supplier_code": "S1", "category": 1, "unit": "USD", "factor": "naics:331110", "reporting_period": "2022-03-01"}


@pytest.fixture
async def client(plain: str, database: str, database_url: str, state_dir: Path) -> AsyncIterator[AsyncClient]:
    """A client of a server whose login sees no rows of tenants."""
    url = urlsplit(plain)
    admin = await asyncpg.connect(urlunsplit(url._replace(netloc=urlsplit(database_url).netloc)))
    await admin.execute(f"GRANT vcci_reader, vcci_writer TO {url.username}")
    owner = await asyncpg.connect(plain)
    await migrate(owner)
    with running_server(state_dir, env={"VCCI_DATABASE_URL": plain}) as server:
        tenant = uuid4().hex
        await owner.execute("INSERT INTO tenants (name) VALUES ($1)", tenant)
        async with AsyncClient(server.listening, server.token(tenant)) as made:
            for statement in await admin.fetch(HIDDEN):
                await owner.execute(statement["statement"])
            await owner.execute("SET vcci.tenant = 0")  # it is a member of the roles
            assert await owner.fetchval("SELECT count(*) FROM factor_sets") == 0
            assert await admin.fetchval("SELECT count(*) FROM factor_sets") == 1, "of the default tenant"
            yield made
    await owner.close()
    await admin.close()


async def test_calls_do_not_see_through_the_owner_of_the_tables(client: AsyncClient) -> None:
    spec = factor_service_pb2.FactorSetSpec
    made = await client.import_factor_set(spec(display_name="Starter", format=STARTER, activate=True))
    factors = [factor async for factor in client.list_factors(made.name)]
    assert len(factors) == made.factor_count
    assert (await client.get_factor(factors[7].name)) == factors[7]
    changed = await client.update_factor(
        factor_service_pb2.Factor(name=factors[7].name, kg_co2e=9.0), ["kg_co2e"], activate=True
    )
    new = changed.name.partition("/factors/")[0]
    assert [found.new_factor.kg_co2e async for found in client.diff_factor_sets(made.name, new)] == [9.0]
    assert (await client.get_factor_set(new)).active
    assert [found.name async for found in client.list_factor_sets()] == [new, made.name]
    assert len([one async for one in client.list_factor_set_activations()]) == 2
    prices = await client.import_price_set(PriceSetSpec(display_name="Rates", activate=True), [rate("USD", 2024, 1.1)])
    assert [price.currency async for price in client.list_prices()] == ["USD"]
    assert [found.name async for found in client.list_price_sets()] == [prices.name]
    assert len([one async for one in client.list_price_set_activations()]) == 1
    assert (await client.calculate([line(2.0)])).emissions[0].estimate.kg_co2e == pytest.approx(2 * 0.787)
    done = await client.upload([ROW | {"quantity": 5.0}])
    assert (done.committed, (await client.get_upload(done.upload)).accepted_rows) == (1, 1)
    groups = await client.aggregate_emissions([emission_service_pb2.DIMENSION_SUPPLIER])
    assert [group.estimate.kg_co2e for group in groups.groups] == [pytest.approx(5 * 0.787)]
    assert sum([len(page.row) async for page in client.stream_emissions()]) == 1
    assert [supplier.code async for supplier in client.list_suppliers()] == ["S1"]
    assert [event.action async for event in client.list_audit_events()]
    assert (await client.explain(f"{done.upload}/emissions/0")).factor
