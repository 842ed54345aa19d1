"""Planted drift is found once and by its name, and its remedy mends it."""

import subprocess

import asyncpg
import pytest

from service.stores.embedded.binaries import find_binaries
from service.stores.sql.schema_check.compare import compare, foreign
from service.stores.sql.schema_check.objects import Catalog, Difference
from tests.stores.sql.schema_check.planted import BATCHES, FOREIGN, SAMPLES
from tests.stores.sql.schema_check.server import CheckedServer

pytestmark = pytest.mark.xdist_group("schema_check")


@pytest.fixture(scope="module")
def expected(server: CheckedServer) -> Catalog:
    """The catalog of the database ``samples``: the migrations, and objects of other kinds."""
    server.copy("polystore", "samples")
    server.execute("samples", *SAMPLES, superuser=False)
    return server.catalog("samples")


def name_of(difference: Difference) -> str:
    dotted = f"{difference.table}." if difference.kind == "column" else ""
    words = (difference.problem, difference.kind, f"{dotted}{difference.name}", difference.property)
    return " ".join(word for word in words if word)


def names(differences: tuple[Difference, ...]) -> list[str]:
    return sorted(name_of(difference) for difference in differences)


def mend(server: CheckedServer, database: str, differences: tuple[Difference, ...]) -> None:
    statements = [statement for item in differences for statement in item.remedy]
    server.execute(database, *statements)


@pytest.mark.parametrize("batch", BATCHES)
def test_compare_planted_drift_is_found_once_and_mended(
    server: CheckedServer, expected: Catalog, batch: str
) -> None:
    server.copy("samples", "planted")
    server.execute("planted", *filter(None, BATCHES[batch].values()))
    drift = compare(expected, server.catalog("planted"))
    assert names(drift) == sorted(BATCHES[batch])
    assert all(item.remedy for item in drift)
    mend(server, "planted", drift)
    assert names(compare(expected, server.catalog("planted"))) == []


def test_compare_equal_databases_have_no_difference(
    server: CheckedServer, expected: Catalog
) -> None:
    server.copy("samples", "equal")
    actual = server.catalog("equal")
    assert len(actual.objects) > 400
    assert (compare(expected, actual), foreign(expected, actual)) == ((), ())


def test_compare_dumped_and_restored_database_has_no_difference(
    server: CheckedServer, expected: Catalog
) -> None:
    """Restored conditions differ in the text of their casts."""
    programs = f"{find_binaries().postgres}/bin"
    source, target = (
        server.url_of(name, superuser=True).replace("+asyncpg", "")
        for name in ("samples", "restored")
    )
    server.copy("template0", "restored")
    dump = subprocess.run([f"{programs}/pg_dump", source], capture_output=True, check=True).stdout
    restore = [f"{programs}/psql", "-q", "-v", "ON_ERROR_STOP=1", target]
    subprocess.run(restore, input=dump, capture_output=True, check=True)
    assert compare(expected, server.catalog("restored")) == ()


def test_compare_failed_concurrent_index_is_invalid_and_mended(
    server: CheckedServer, expected: Catalog
) -> None:
    server.copy("samples", "failed")
    server.execute(
        "failed",
        "DROP INDEX uq_tags_name",
        "INSERT INTO tags (id, name) VALUES (gen_random_uuid(), 'a'), (gen_random_uuid(), 'A')",
    )
    build = "CREATE UNIQUE INDEX CONCURRENTLY uq_tags_name ON tags (fold_name(name))"
    with pytest.raises(asyncpg.UniqueViolationError):
        server.execute("failed", build)
    server.execute("failed", "TRUNCATE tags CASCADE")
    drift = compare(expected, server.catalog("failed"))
    assert names(drift) == ["invalid index uq_tags_name validity"]
    mend(server, "failed", drift)
    assert compare(expected, server.catalog("failed")) == ()


def test_compare_foreign_objects_are_listed_and_no_drift(
    server: CheckedServer, expected: Catalog
) -> None:
    server.copy("samples", "foreign_objects")
    server.execute("foreign_objects", *FOREIGN.values())
    actual = server.catalog("foreign_objects")
    assert compare(expected, actual) == ()
    found = foreign(expected, actual)
    assert sorted(f"{item.kind} {item.name}" for item in found) == sorted(FOREIGN)
    assert {item.owner for item in found if item.kind != "trigger"} == {"postgres"}
    assert [item.extension for item in found if item.name == "guarded"] == ["vector"]


def test_compare_validated_constraint_is_as_good_as_an_unvalidated_one(
    server: CheckedServer, expected: Catalog
) -> None:
    server.copy("samples", "unvalidated")
    server.execute(
        "unvalidated",
        "ALTER TABLE tags ADD CONSTRAINT ck_tags CHECK (name <> '') NOT VALID",
    )
    earlier = server.catalog("unvalidated")
    server.execute("unvalidated", "ALTER TABLE tags VALIDATE CONSTRAINT ck_tags")
    later = server.catalog("unvalidated")
    assert compare(earlier, later) == ()
    assert names(compare(later, earlier)) == ["invalid constraint ck_tags validity"]
