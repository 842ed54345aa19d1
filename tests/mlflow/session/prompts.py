"""Prompts: registered models with a tag, hidden from the search of models."""

from typing import Any

import mlflow

from tests.mlflow.session.registry import new_model
from tests.mlflow.session.steps import Session, step


def own(s: Session, text: str) -> list[str]:
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
    return [own(s, text) for text in texts]


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
