"""Search of registered models and their versions, and prompts, which it hides."""

from functools import cache
from typing import Any

import mlflow

from tests.mlflow.session.registry import SOURCE, new_model
from tests.mlflow.session.steps import Session, step


@cache
def seeded(s: Session) -> str:
    """Return a run that made a version of "b"."""
    for name, tag in (("Alpha", "1"), ("beta", "2"), ("Beta_2", None)):
        new_model(s, f"r-{name}", 1, tags={"k": tag} if tag else {})
    run, name = s.new_run(), s.name("r-beta")
    s.client.create_model_version(name, f"runs:/{run}/m", run, tags={"k": "v", "a b": "c"})
    s.client.create_model_version(name, SOURCE + "/3")
    return run


def tried(s: Session, call: Any, shown: Any, filters: tuple[str, ...]) -> dict[str, Any]:
    """Return what each filter finds among those seeded, sorted, or the refusal."""
    found: dict[str, Any] = {}
    for text in filters:
        result: list[str] = []
        this = text.replace("S-", s.name(""))
        refused = s.attempt(lambda this=this, result=result: result.extend(map(shown, call(this))))
        own = sorted(
            name.removeprefix(s.name("r-")) for name in result if name.startswith(s.name("r-"))
        )
        found[text] = own if refused == "accepted" else refused
    return found


def models(s: Session, *filters: str) -> dict[str, Any]:
    seeded(s)
    call = lambda text: s.client.search_registered_models(text, max_results=1000)  # noqa: E731
    return tried(s, call, lambda found: found.name, filters)


def versions(s: Session, *filters: str) -> dict[str, Any]:
    seeded(s)
    return tried(s, s.client.search_model_versions, lambda v: f"{v.name} {v.version}", filters)


@step()
def models_by_name(s: Session) -> Any:
    return models(
        s, "name = 'S-r-beta'", "name != 'S-r-beta'", "name LIKE 'S-r-%eta'",
        "name ILIKE 'S-R-BETA%'", "name LIKE 'S-r-Beta_2'",
        "name IN ('S-r-beta', 'S-r-Alpha')", "",
    )  # fmt: skip


@step()
def models_by_tag(s: Session) -> Any:
    return models(
        s, "tags.k = '1'", "tags.k != '1'", "tag.k LIKE '_'", "tags.k ILIKE '2'", "tags.no != 'x'",
        "tags.k = '2' AND name LIKE '%beta'",
    )  # fmt: skip


@step()
def models_refused(s: Session) -> Any:
    return models(
        s,
        "name > 'a'",
        "name = 1",
        "no = 'a'",
        "params.a = 'b'",
        "name = S-r-beta",
        "tags.k > '1'",
        "run_id = 'a'",
    )


@step()
def models_in_order(s: Session) -> Any:
    seeded(s)
    own = f"name LIKE '{s.name('r-')}%'"
    orders = ("name", "name DESC", "timestamp ASC", "last_updated_timestamp DESC")
    found = {}
    for key in (None, *orders):
        names = [
            m.name for m in s.client.search_registered_models(own, order_by=[key] if key else None)
        ]
        found[str(key)] = [name.removeprefix(s.name("r-")) for name in names]
    refused = [
        s.attempt(s.client.search_registered_models, order_by=[key])
        for key in ("no", "name UP", "tags.k")
    ]
    return [found, refused]


@step()
def models_in_pages(s: Session) -> Any:
    seeded(s)
    own, sizes = f"name LIKE '{s.name('r-')}%'", {}
    for size in (1, 2, 3):
        counts: list[int] = []
        token = None
        while token or not counts:
            page = s.client.search_registered_models(own, max_results=size, page_token=token)
            counts.append(len(page))
            token = page.token
        sizes[size] = counts
    limits = {
        n: s.attempt(s.client.search_registered_models, own, max_results=n) for n in (1000, 1001)
    }
    return [sizes, limits]


@step()
def versions_by_attribute(s: Session) -> Any:
    return versions(
        s, "name = 'S-r-beta'", "name LIKE 'S-r-B%'", "name ILIKE 'S-r-B%'",
        "name IN ('S-r-beta')", "name != 'S-r-beta'",
        f"source_path = '{SOURCE}/3'", "source_path LIKE 'runs:/%'",
        "name = 'S-r-beta' AND version_number > 1",
        "version_number = 3", "version_number <= 1", "version_number != 1", "",
    )  # fmt: skip


@step()
def versions_by_run(s: Session) -> Any:
    run = seeded(s)
    clauses = {
        "=": f"run_id = '{run}'",
        "IN": f"run_id IN ('{run}','x')",
        "LIKE": f"run_id LIKE '{run[:20]}%'",
    }
    found = versions(s, *clauses.values())
    return {name: found[clause] for name, clause in clauses.items()}


@step()
def versions_by_tag(s: Session) -> Any:
    return versions(
        s,
        "tags.k = 'v'",
        "tags.k != 'v'",
        "tags.k LIKE '_'",
        "tags.k ILIKE 'V'",
        "tags.`a b` = 'c'",
        "tags.no != 'x'",
    )


@step()
def versions_refused(s: Session) -> Any:
    return versions(
        s, "name > 'a'", "version_number = 'a'", "version_number LIKE '1'", "no = 'a'",
        "metrics.a = 1", "run_id = 1",
        "source = 'x'", "version = 1",
    )  # fmt: skip


@step()
def versions_in_order_and_pages(s: Session) -> Any:
    seeded(s)
    own = f"name LIKE '{s.name('r-b')}%' "
    found = {}
    for key in ("version_number", "version_number DESC", "name DESC", "creation_timestamp ASC"):
        names = [
            f"{v.name} {v.version}" for v in s.client.search_model_versions(own, order_by=[key])
        ]
        found[key] = [name.removeprefix(s.name("r-")) for name in names]
    first = s.client.search_model_versions(own, max_results=2)
    second = s.client.search_model_versions(own, max_results=2, page_token=first.token)
    refused = [
        s.attempt(s.client.search_model_versions, own, order_by=[key]) for key in ("no", "tags.k")
    ]
    return [found, len(first), len(second), second.token, refused]


@step()
def sizes_of_pages(s: Session) -> Any:
    return {
        n: s.attempt(s.client.search_model_versions, max_results=n) for n in (0, 200_000, 200_001)
    }


def own_models(s: Session, text: str) -> list[str]:
    found = s.client.search_registered_models(text, max_results=1000)
    return [m.name for m in found if m.name.startswith(s.name("p-"))]


@step()
def search_hides_them(s: Session) -> Any:
    new_model(s, "p-model", tags={"k": "1"})
    s.client.register_prompt(s.name("p-prompt"), "Hello", tags={"k": "1"})
    texts = (
        "",
        "tags.k = '1'",
        f"name LIKE '{s.name('p-')}%'",
        "tags.`mlflow.prompt.is_prompt` = 'true'",
    )
    return [own_models(s, text) for text in texts]


@step(since=3)
def registered_and_loaded(s: Session) -> Any:
    name = s.name("q-greet")
    for text in ("Hello {{name}}", "Hi {{name}} é"):
        mlflow.genai.register_prompt(name, text, commit_message="why", tags={"k": "v"})
    mlflow.genai.set_prompt_alias(name, "live", 1)
    loaded = [mlflow.genai.load_prompt(f"prompts:/{name}{which}") for which in ("/2", "@live")]
    return [[p.version, p.template, p.commit_message, p.tags] for p in loaded]


@step(since=3)
def found_by_their_own_search(s: Session) -> Any:
    s.client.create_prompt(s.name("q-other"), description="text", tags={"k": "v"})
    found = s.client.search_prompts(f"name LIKE '{s.name('q-')}%'")
    return sorted([p.name, p.description, p.tags.get("k")] for p in found)


@step(since=3)
def unknown_prompt(s: Session) -> Any:
    missing = s.client.load_prompt(s.name("q-no"), version=1, allow_missing=True)
    return [missing, s.client.get_prompt(s.name("q-no"))]
