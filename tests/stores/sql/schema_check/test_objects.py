"""A difference on one line, for people."""

from service.stores.sql.schema_check.objects import Difference


def test_difference_long_values_are_shown_from_where_they_differ() -> None:
    body = f"BEGIN {'PERFORM 1; ' * 40}RETURN {{}};\nEND {'-- end ' * 40}"
    line = str(
        Difference(
            kind="function",
            table=None,
            name="f()",
            problem="changed",
            property="definition",
            expected=body.format("NEW"),
            actual=body.format("OLD"),
            remedy=(),
        )
    )
    assert line.startswith("changed function f(), definition: expected …")
    assert "1; RETURN NEW; END -- end" in line
    assert "; found …" in line
    assert "1; RETURN OLD; END -- end" in line
    assert len(line) < 300
    assert "\n" not in line


def test_difference_of_a_column_names_table_and_property() -> None:
    column = Difference("column", "users", "age", "changed", "default", "0", "", ("ALTER …",))
    assert str(column) == "changed column users.age, default: expected 0; found none"
