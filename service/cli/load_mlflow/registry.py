"""Registered models by name and their versions by number, with stages, aliases and tags."""

from collections.abc import Container, Iterator
from typing import Any

from service.cli.load_mlflow.copying import SOURCE_TAG, Copying
from service.cli.load_mlflow.server import API, Refused, Server, pairs, rows

MODELS, VERSIONS = f"{API}/registered-models", f"{API}/model-versions"
PAGE = 100
GAP_TAG = "polystore.gap"  # of a version that takes a number which is gone at the source
GAP = {"key": GAP_TAG}
PROMPTS = "tags.`mlflow.prompt.is_prompt` = 'true'"  # other searches leave prompts out


def copy_registry(copying: Copying) -> None:
    """Copy all registered models, and prompts."""
    for kind in ({}, {"filter": PROMPTS}):
        wanted = {"max_results": PAGE, **kind}
        path = f"{MODELS}/search"
        for model in copying.source.pages("GET", path, "registered_models", **wanted):
            copying.outcome.found["models"] += 1
            try:
                _copy(copying, model)
            except Refused as refusal:
                copying.outcome.leave_out(f"registered model {model['name']}", refusal)


def _copy(copying: Copying, model: dict[str, Any]) -> None:
    name, tags, target = model["name"], pairs(model.get("tags")), copying.target
    found = target.find(f"{MODELS}/get", name=name)
    if found is None:
        described = {"description": text} if (text := model.get("description")) else {}
        target.post(f"{MODELS}/create", name=name, tags=rows(tags), **described)
        copying.outcome.new["models"] += 1
    else:
        _change(copying, MODELS, model, found["registered_model"])
    clause = f"name = {_quoted(name)}" + (
        f" AND {PROMPTS}" if "mlflow.prompt.is_prompt" in tags else ""
    )
    here = {int(one["version"]): one for one in _versions(target, clause)}
    versions = {int(one["version"]): one for one in _versions(copying.source, clause)}
    _close_gaps(target, here, versions)
    for _number, version in sorted(versions.items()):
        copying.outcome.found["versions"] += 1
        try:
            _copy_version(copying, version, here)
        except Refused as refusal:
            copying.outcome.leave_out(f"version {version['version']} of {name}", refusal)
    _set_aliases(copying, model, found and found["registered_model"])


def _close_gaps(target: Server, here: dict[int, Any], wanted: Container[int]) -> None:
    """Finish what a load that was cut off has left: versions that still have the tag of a gap."""
    for number in [number for number, one in here.items() if GAP_TAG in pairs(one.get("tags"))]:
        if number in wanted:
            target.send("DELETE", f"{VERSIONS}/delete-tag", json={**_key(here[number]), **GAP})
        else:
            target.send("DELETE", f"{VERSIONS}/delete", json=_key(here.pop(number)))


def _quoted(name: str) -> str:
    """Return a name as filters take it; they know no escape for a quote."""
    quote = '"' if "'" in name else "'"
    if quote in name:
        raise Refused(0, "no filter can name it, because it has both kinds of quotes")
    return f"{quote}{name}{quote}"


def _key(version: dict[str, Any]) -> dict[str, str]:
    return {"name": version["name"], "version": version["version"]}


def _versions(server: Server, clause: str) -> Iterator[dict[str, Any]]:
    wanted = {"filter": clause, "max_results": PAGE}
    yield from server.pages("GET", f"{VERSIONS}/search", "model_versions", **wanted)


def _change(copying: Copying, path: str, source: dict[str, Any], here: dict[str, Any]) -> None:
    """Give a model or version here the description and tags that it has at the source."""
    key = {part: here[part] for part in ("name", "version") if part in here}
    text = source.get("description") or ""
    if text and text != (here.get("description") or ""):
        copying.target.send("PATCH", f"{path}/update", json={**key, "description": text})
    kept = pairs(here.get("tags"))
    for tag, value in pairs(source.get("tags")).items():
        if kept.get(tag) != value:
            copying.target.post(f"{path}/set-tag", **key, key=tag, value=value)


def _copy_version(copying: Copying, version: dict[str, Any], kept: dict[int, Any]) -> None:
    """Make or change the version of this number; ``kept`` has those that are here."""
    number = int(version["version"])
    here = kept.get(number)
    if here is None:
        here = kept[number] = _make_version(copying, version, max(kept, default=0))
        copying.outcome.new["versions"] += 1
    elif pairs(here.get("tags")).get(SOURCE_TAG) != version["source"]:
        raise Refused(0, "another version has this number here")
    _change(copying, VERSIONS, version, here)
    stage = version.get("current_stage") or "None"
    if stage != (here.get("current_stage") or "None"):
        key = _key(here)
        copying.target.post(
            f"{VERSIONS}/transition-stage", **key, stage=stage, archive_existing_versions=False
        )


def _make_version(copying: Copying, version: dict[str, Any], last: int) -> dict[str, Any]:
    """Make a version of this number; those after ``last`` that are gone are made and deleted."""
    target, wanted, body = copying.target, int(version["version"]), _body(copying, version)
    tags = {**pairs(version.get("tags")), SOURCE_TAG: version["source"]}
    while True:
        gap = {GAP_TAG: "true"} if last + 1 < wanted else {}
        made: dict[str, Any] = target.post(
            f"{VERSIONS}/create", **body, tags=rows({**tags, **gap})
        )["model_version"]
        last = int(made["version"])
        if last != wanted:
            target.send("DELETE", f"{VERSIONS}/delete", json=_key(made))
        elif gap:  # versions that were deleted here have taken the numbers between
            target.send("DELETE", f"{VERSIONS}/delete-tag", json={**_key(made), **GAP})
        if last == wanted:
            return made
        if last > wanted:
            raise Refused(0, f"the next number here is {last}")


def _body(copying: Copying, version: dict[str, Any]) -> dict[str, Any]:
    body = {key: version[key] for key in ("name", "run_link") if version.get(key)}
    body["source"] = version["source"]
    if run_id := version.get("run_id"):
        body["run_id"] = run_id
    return body | _source(copying, version["source"], version)


def _source(copying: Copying, source: str, version: dict[str, Any]) -> dict[str, str]:
    """Return the source as it is called here: logged models have other ids, runs other roots."""
    scheme, _, path = source.partition(":")
    parts = path.strip("/").split("/")
    if scheme == "models" and len(parts) == 1 and "@" not in path:
        return _of_model(copying, parts[0], ())
    if scheme == "mlflow-artifacts" and "models" in parts[:-1]:
        place = parts.index("models") + 1
        return _of_model(copying, parts[place], parts[place + 2 :])
    if scheme == "mlflow-artifacts" and version.get("run_id") in parts:
        run = copying.target.get(f"{API}/runs/get", run_id=version["run_id"])["run"]
        below = parts[parts.index(version["run_id"]) + 2 :]
        return {"source": "/".join([run["info"]["artifact_uri"], *below])}
    return {}


def _of_model(copying: Copying, source_id: str, below: Any) -> dict[str, str]:
    here = copying.models.get(source_id)
    if here is None:
        raise Refused(0, f"the logged model {source_id} is not here")
    if not below:
        return {"source": f"models:/{here}", "model_id": here}
    root = copying.target.get(f"{API}/logged-models/{here}")["model"]["info"]["artifact_uri"]
    return {"source": "/".join([root, *below]), "model_id": here}


def _set_aliases(copying: Copying, model: dict[str, Any], here: dict[str, Any] | None) -> None:
    kept = {one["alias"]: one["version"] for one in (here or {}).get("aliases", ())}
    for one in model.get("aliases", ()):
        alias, version = one["alias"], one["version"]
        if kept.get(alias) == version:
            continue
        try:
            body = {"name": model["name"], "alias": alias, "version": version}
            copying.target.post(f"{MODELS}/alias", **body)
        except Refused as refusal:
            copying.outcome.leave_out(f"alias {alias} of {model['name']}", refusal)
