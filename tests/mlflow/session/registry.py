"""The registry: models, versions, aliases, stages, sources."""

from typing import Any

from tests.mlflow.session import views
from tests.mlflow.session.steps import Session, step

SOURCE = "s3://bucket/model"


def new_model(s: Session, suffix: str, versions: int = 0, **options: Any) -> str:
    name = s.client.create_registered_model(s.name(suffix), **options).name
    for _ in range(versions):
        s.client.create_model_version(name, SOURCE)
    return str(name)


@step()
def model_with_everything(s: Session) -> Any:
    name = new_model(s, "first", tags={"team": "é"}, description="text")
    return views.model(s.client.get_registered_model(name))


@step()
def name_is_taken(s: Session) -> Any:
    new_model(s, "twice")
    return s.attempt(new_model, s, "twice")


@step()
def names_are_refused(s: Session) -> Any:
    names = ("", "  ", "a/b", "a:b")
    return {name: s.attempt(s.client.create_registered_model, name) for name in names}


@step()
def model_changes(s: Session) -> Any:
    name = new_model(s, "change", tags={"a": "1", "b": "1"})
    s.client.update_registered_model(name, "new text")
    s.client.set_registered_model_tag(name, "a", 2)
    for _ in range(2):  # an absent tag is no error
        s.client.delete_registered_model_tag(name, "b")
    return views.model(s.client.get_registered_model(name))


@step()
def rename_takes_all_along(s: Session) -> Any:
    name = new_model(s, "before", 1)
    s.client.set_registered_model_alias(name, "best", "1")
    s.client.set_model_version_tag(name, "1", "k", "v")
    s.client.rename_registered_model(name, s.name("after"))
    new = s.client.get_model_version_by_alias(s.name("after"), "best")
    taken = s.attempt(s.client.rename_registered_model, s.name("after"), s.name("first"))
    return [views.version(new), s.attempt(s.client.get_registered_model, name), taken]


@step()
def deleted_model_frees_its_name(s: Session) -> Any:
    name = new_model(s, "gone", 2)
    s.client.delete_registered_model(name)
    refused = [
        s.attempt(s.client.get_registered_model, name),
        s.attempt(s.client.delete_registered_model, name),
    ]
    new_model(s, "gone", 1)
    return [refused, [v.version for v in s.client.search_model_versions(f"name = '{name}'")]]


@step()
def version_with_everything(s: Session) -> Any:
    name, run = new_model(s, "versions"), s.new_run()
    made = s.client.create_model_version(
        name, f"runs:/{run}/model", run, tags={"k": "v"}, run_link="http://link", description="text"
    )
    return [views.version(made), s.client.get_model_version_download_uri(name, "1") == made.source]


@step()
def numbers_are_never_used_again(s: Session) -> Any:
    name = new_model(s, "numbers", 3)
    for number in ("3", "1"):
        s.client.delete_model_version(name, number)
    made = s.client.create_model_version(name, SOURCE).version
    gone = s.attempt(s.client.get_model_version, name, "3")
    again = s.attempt(s.client.delete_model_version, name, "3")
    return [
        str(made),
        gone,
        again,
        views.model(s.client.get_registered_model(name))["latest_versions"],
    ]


@step()
def version_changes(s: Session) -> Any:
    name = new_model(s, "version-change", 1)
    s.client.update_model_version(name, "1", "new text")
    s.client.set_model_version_tag(name, "1", "a", 2)
    s.client.set_model_version_tag(name, "1", "b", "")
    for _ in range(2):
        s.client.delete_model_version_tag(name, "1", "b")
    return views.version(s.client.get_model_version(name, "1"))


@step()
def unknown_ones(s: Session) -> Any:
    c, no, name = s.client, s.name("no"), new_model(s, "known", 1)
    return {
        "model": s.attempt(c.get_registered_model, no),
        "change": s.attempt(c.update_registered_model, no, "x"),
        "tag": s.attempt(c.set_registered_model_tag, no, "a", "b"),
        "version of no model": s.attempt(c.create_model_version, no, SOURCE),
        "version": s.attempt(c.get_model_version, name, "9"),
        "version 0": s.attempt(c.get_model_version, name, "0"),
        "version x": s.attempt(c.get_model_version, name, "x"),
        "version tag": s.attempt(c.set_model_version_tag, name, "9", "a", "b"),
        "stage": s.attempt(c.transition_model_version_stage, name, "9", "Production"),
        "alias to it": s.attempt(c.set_registered_model_alias, name, "best", "9"),
        "alias": s.attempt(c.get_model_version_by_alias, name, "no"),
        "alias of no model": s.attempt(c.get_model_version_by_alias, no, "no"),
    }


@step()
def alias_moves(s: Session) -> Any:
    name, found = new_model(s, "aliases", 2), []
    for number in ("1", "2"):
        s.client.set_registered_model_alias(name, "best", number)
        s.client.set_registered_model_alias(name, f"only-{number}", number)
        found.append(str(s.client.get_model_version_by_alias(name, "best").version))
    aliases = views.model(s.client.get_registered_model(name))["aliases"]
    both = [views.version(s.client.get_model_version(name, n))["aliases"] for n in ("1", "2")]
    s.client.delete_model_version(name, "2")
    for _ in range(2):
        s.client.delete_registered_model_alias(name, "only-1")
    return [found, aliases, both, views.model(s.client.get_registered_model(name))["aliases"]]


@step()
def alias_names(s: Session) -> Any:
    """Clients differ in what they check themselves."""
    name = new_model(s, "alias-names", 1)
    names = (
        "ok_1-a",
        "é",
        "latest",
        "LATEST",
        "v1",
        "V2",
        "v",
        "1",
        "a b",
        "a.b",
        "",
        "x" * 255,
        "x" * 256,
    )
    tries = {a: s.attempt(s.client.set_registered_model_alias, name, a, "1") for a in names}
    return {a: tried if tried == "accepted" else tried["error"] for a, tried in tries.items()}


@step()
def stages(s: Session) -> Any:
    name, found = new_model(s, "stages", 3), []
    for number, stage, archive in (
        ("1", "staging", False),
        ("2", "PRODUCTION", False),
        ("3", "Production", True),
    ):
        s.client.transition_model_version_stage(name, number, stage, archive)
        found.append([s.client.get_model_version(name, n).current_stage for n in ("1", "2", "3")])
    latest = [[v.version, v.current_stage] for v in s.client.get_latest_versions(name)]
    one = [v.version for v in s.client.get_latest_versions(name, ["production"])]
    refused = s.attempt(s.client.transition_model_version_stage, name, "1", "Nowhere")
    return [found, sorted(map(str, latest)), [*map(str, one)], refused]


@step(
    differs="archiving needs a stage of traffic: the caller's mistake, so 400 and not 500",
    right={"error": "INVALID_PARAMETER_VALUE", "status": 400},
)
def archive_for_a_stage_without_traffic(s: Session) -> Any:
    name = new_model(s, "archive", 1)
    return s.attempt(s.client.transition_model_version_stage, name, "1", "Archived", True)


@step()
def sources(s: Session) -> Any:
    """Refused or not; some are refused by the client."""
    name, run = new_model(s, "sources"), s.new_run()
    root = s.run(run).info.artifact_uri
    tries = {
        "s3": (SOURCE, None), "inside the run": (f"{root}/model",
        run), "no run": (f"{root}/model", None),
        "another run": (f"{root}/model", s.new_run()), "up": (f"{root}/../x",
        run), "encoded up": (f"{root}/%2e%2e/x", run),
        "twice encoded": (f"{root}/%252e%252e/x", run), "local": ("/etc",
        run), "file": ("file:///etc", run),
        "http": ("https://host/x", None), "s3 up": ("s3://bucket/../x", None),
    }  # fmt: skip
    return {
        case: s.attempt(s.client.create_model_version, name, source, of)
        for case, (source, of) in tries.items()
    }


@step(since=3)
def version_of_a_logged_model(s: Session) -> Any:
    name = new_model(s, "logged")
    made = s.client.create_logged_model(s.experiment, "m")
    source = f"models:/{made.model_id}"
    s.client.create_model_version(name, source, model_id=made.model_id)
    found = s.client.get_model_version(name, "1")
    tags = s.client.get_logged_model(made.model_id).tags
    linked = name in tags.get("mlflow.modelVersions", "")
    return [found.source == source, found.status, linked]
