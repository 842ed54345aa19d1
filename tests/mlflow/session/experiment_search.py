"""Search of experiments: filters, order, views and pages."""

from functools import cache
from typing import Any

from mlflow.entities import ViewType

from tests.mlflow.session.steps import Session, step


@cache
def seeded(s: Session) -> None:
    for name, tags in {"Alpha": {"k": "1"}, "beta": {"k": "2", "a b": "x"}, "Beta_2": {}}.items():
        s.new_experiment(f"x-{name}", tags=tags)
    s.client.delete_experiment(s.new_experiment("x-zeta", tags={"k": "1"}))


def search(s: Session, text: str = "", **options: Any) -> list[str]:
    """Return the names among those seeded that a search finds, in its order."""
    seeded(s)
    own = f"name LIKE '{s.name('x-')}%'"
    found = s.client.search_experiments(
        filter_string=f"{own} AND {text}" if text else own, **options
    )
    return [one.name.removeprefix(s.name("x-")) for one in found]


def found(s: Session, *filters: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    for text in filters:
        this = text.replace("S-", s.name(""))
        result: list[str] = []
        refused = s.attempt(
            lambda this=this, result=result: result.extend(search(s, this, order_by=["name"]))
        )
        names[text] = result if refused == "accepted" else refused
    return names


@step()
def by_name(s: Session) -> Any:
    return found(
        s, "name = 'S-x-beta'", "name != 'S-x-beta'", "name LIKE '%eta'", "name ILIKE '%BETA%'",
        "attribute.name LIKE '%Beta_2'",
    )  # fmt: skip


@step()
def by_tag(s: Session) -> Any:
    return found(
        s, "tags.k = '1'", "tags.k != '1'", "tag.k LIKE '_'", "tags.k ILIKE '2'",
        "tags.`a b` = 'x'", "tags.no != 'x'",
        "tags.k IS NULL", "tags.k IS NOT NULL", "tags.k = '2' AND name LIKE '%beta'",
    )  # fmt: skip


@step()
def by_time(s: Session) -> Any:
    return found(
        s, "creation_time > 1000", "last_update_time < 1000", "attributes.creation_time >= 5"
    )


@step()
def by_id(s: Session) -> Any:
    made = s.client.get_experiment_by_name(s.name("x-beta")).experiment_id
    text = [
        f"experiment_id = '{made}'",
        f"experiment_id IN ('{made}')",
        f"experiment_id != '{made}'",
    ]
    return [search(s, clause, order_by=["name"]) for clause in text]


@step()
def refused(s: Session) -> Any:
    return found(
        s, "name > 'a'", "name = 1", "creation_time = 'a'", "params.a = '1'", "no = 'a'",
        "tags.k > '1'", "metrics.a = 1",
        "creation_time LIKE 'a'",
    )  # fmt: skip


@step()
def orders(s: Session) -> Any:
    """Ids are the server's own, so that only their use is compared."""
    keys = ("name", "name DESC", "creation_time ASC", "creation_time DESC", "last_update_time ASC")
    found = {key: search(s, order_by=[key]) for key in keys}
    by_id = sorted(search(s, order_by=["experiment_id ASC"]))
    return {"default": search(s), **found, "experiment_id": by_id}


@step()
def orders_refused(s: Session) -> Any:
    seeded(s)
    keys = ("no", "tags.k", "name UP", "lifecycle_stage")
    return {key: s.attempt(s.client.search_experiments, order_by=[key]) for key in keys}


@step()
def views_of_deleted_ones(s: Session) -> Any:
    return {
        view: sorted(search(s, view_type=getattr(ViewType, view)))
        for view in ("ACTIVE_ONLY", "DELETED_ONLY", "ALL")
    }


@step()
def pages(s: Session) -> Any:
    seeded(s)
    own, sizes = f"name LIKE '{s.name('x-')}%'", {}
    for size in (1, 2, 3):
        counts: list[int] = []
        token = None
        while token or not counts:
            page = s.client.search_experiments(
                filter_string=own, max_results=size, page_token=token, order_by=["name"]
            )
            counts.append(len(page))
            token = page.token
        sizes[size] = counts
    return sizes


@step()
def sizes_of_pages(s: Session) -> Any:
    return {
        n: s.attempt(s.client.search_experiments, max_results=n) for n in (0, -1, 50_000, 50_001)
    }
