"""The commands as functions: a URL in, sentences out, an exit code (`ExitCode`) back.

`python -m mongo_indexes` and `polystore indexes` are both thin layers over these three. They share
their arguments: `database` overrides the one in the URL, `only` limits them to some collections,
`as_json` says everything as one JSON object, `collections` is what is declared.
"""

import sys
from collections.abc import Callable, Sequence
from typing import Any

import typer
from pymongo.database import Database
from pymongo.errors import PyMongoError

from mongo_indexes.apply import WAIT_SECONDS, ApplyStopped, apply_all
from mongo_indexes.collections import COLLECTIONS
from mongo_indexes.connect import Stop, opened
from mongo_indexes.declare import Collection
from mongo_indexes.execute import said
from mongo_indexes.exit_codes import ExitCode
from mongo_indexes.lock import LockHeld
from mongo_indexes.output import show_json, show_steps, steps_as_json
from mongo_indexes.server import plan
from mongo_indexes.step import Step

Command = Callable[[Database[dict[str, Any]]], ExitCode]


def run_plan(
    url: str | None,
    *,
    database: str | None = None,
    only: Sequence[str] = (),
    prune: bool = False,
    as_json: bool = False,
    collections: Sequence[Collection] = COLLECTIONS,
) -> int:
    """Shows what `run_apply` would do. CLEAN whatever it shows; `run_check` tells them apart."""

    def command(opened_database: Database[dict[str, Any]]) -> ExitCode:
        steps = plan(opened_database, _chosen(collections, only), prune=prune)
        to_do = sum(step.changes for step in steps)
        _show(opened_database.name, steps, f"{to_do or 'nothing'} to do", as_json)
        return ExitCode.CLEAN

    return _run(url, database, command, as_json)


def run_check(
    url: str | None,
    *,
    database: str | None = None,
    only: Sequence[str] = (),
    as_json: bool = False,
    collections: Sequence[Collection] = COLLECTIONS,
) -> int:
    """CLEAN if the database is what is declared, else DRIFT. What nobody declared is drift too."""

    def command(opened_database: Database[dict[str, Any]]) -> ExitCode:
        steps = plan(opened_database, _chosen(collections, only))
        _show(opened_database.name, steps, "drift" if steps else "clean", as_json)
        return ExitCode.DRIFT if steps else ExitCode.CLEAN

    return _run(url, database, command, as_json)


def run_apply(
    url: str | None,
    *,
    database: str | None = None,
    only: Sequence[str] = (),
    prune: bool = False,
    as_json: bool = False,
    yes: bool = False,
    wait: float = WAIT_SECONDS,
    collections: Sequence[Collection] = COLLECTIONS,
) -> int:
    """Makes it so, after `yes` or a yes at the terminal. `wait` is for the lock, in seconds."""

    def command(opened_database: Database[dict[str, Any]]) -> ExitCode:
        chosen = _chosen(collections, only)
        if not yes:
            _ask(opened_database.name, plan(opened_database, chosen, prune=prune), as_json)
        tell = _silent if as_json else typer.echo
        done = apply_all(opened_database, tell, collections=chosen, prune=prune, wait=wait)
        kept = [step for step in plan(opened_database, chosen) if not step.changes]
        if as_json:
            answer = {"done": steps_as_json(done), "kept": steps_as_json(kept)}
            show_json({"database": opened_database.name, **answer})
        else:
            show_steps(kept)
            typer.echo(f"{opened_database.name}: {len(done) or 'nothing'} done")
        return ExitCode.CLEAN

    return _run(url, database, command, as_json)


def _chosen(collections: Sequence[Collection], only: Sequence[str]) -> list[Collection]:
    names = [declared.name for declared in collections]
    unknown = ", ".join(name for name in only if name not in names)
    if unknown:
        raise Stop(ExitCode.REFUSED, f"not declared: {unknown} (declared: {', '.join(names)})")
    return [declared for declared in collections if not only or declared.name in only]


def _show(database: str, steps: Sequence[Step], verdict: str, as_json: bool) -> None:
    if as_json:
        show_json({"database": database, "clean": not steps, "steps": steps_as_json(steps)})
        return
    show_steps(steps)
    typer.echo(f"{database}: {verdict}")


def _ask(database: str, steps: Sequence[Step], as_json: bool) -> None:
    """Returns if somebody agreed or there is nothing to agree to. Raises Stop."""
    changes = [step for step in steps if step.changes]
    if not changes:
        return
    if not as_json:
        show_steps(changes)
    if as_json or not sys.stdin.isatty():
        reason = f"{len(changes)} to do and nobody to ask: use --yes if that is what you want"
        raise Stop(ExitCode.REFUSED, reason, left=steps_as_json(changes))
    if not typer.confirm(f"Change {database}?"):
        raise Stop(ExitCode.REFUSED, "nothing was changed")


def _silent(_: str) -> None:
    """With --json the answer alone is on standard output."""


def _run(url: str | None, database: str | None, command: Command, as_json: bool) -> int:
    try:
        with opened(url, database) as opened_database:
            return _translated(opened_database, command)
    except Stop as stop:
        if as_json:
            error = {"code": stop.code.name.lower(), "message": str(stop)}
            show_json({"error": error, **stop.more})
        else:
            typer.echo(str(stop), err=True)
        return stop.code


def _translated(database: Database[dict[str, Any]], command: Command) -> ExitCode:
    try:
        return command(database)
    except LockHeld as held:
        raise Stop(ExitCode.LOCKED, str(held)) from held
    except ApplyStopped as stopped:
        not_done = [stopped.failed, *stopped.left]
        sentence = f"{stopped}\ndone: {_names(stopped.done)}\nnot done: {_names(not_done)}"
        more = {"done": steps_as_json(stopped.done), "left": steps_as_json(not_done)}
        raise Stop(stopped.code, sentence, **more) from stopped
    except PyMongoError as error:
        raise Stop(ExitCode.FAILED, said(error)) from error


def _names(steps: Sequence[Step]) -> str:
    return ", ".join(f"{step.kind} {step.target}" for step in steps) or "nothing"
