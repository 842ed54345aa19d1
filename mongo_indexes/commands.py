"""The commands as functions: they take a URL, print their result and return an exit code.

`python -m mongo_indexes` and `polystore indexes` are both thin layers over these three. They share
their arguments: `database` overrides the one in the URL (`database_name.py`), `only` limits them to
some collections, `as_json` prints one JSON object instead of lines, `collections` are the declared
ones.
"""

import sys
from collections.abc import Callable, Sequence
from typing import Any

import typer
from pymongo.database import Database
from pymongo.errors import PyMongoError

from mongo_indexes.apply import WAIT_SECONDS, ApplyRefused, ApplyStopped, apply_all, changes
from mongo_indexes.collections import COLLECTIONS
from mongo_indexes.connect import CommandFailed, open_database, translate
from mongo_indexes.declare import CollectionSpec
from mongo_indexes.exit_codes import ExitCode
from mongo_indexes.lock import LockHeld
from mongo_indexes.output import show_json, show_steps, steps_as_json
from mongo_indexes.server import plan
from mongo_indexes.step import Kind, Step

Command = Callable[[Database[dict[str, Any]]], ExitCode]


def run_plan(
    url: str | None,
    *,
    database: str | None = None,
    only: Sequence[str] = (),
    prune: bool = False,
    as_json: bool = False,
    collections: Sequence[CollectionSpec] = COLLECTIONS,
) -> int:
    """Print what `run_apply` would do. Return CLEAN also if there is something to do."""

    def command(connected: Database[dict[str, Any]]) -> ExitCode:
        steps = plan(connected, _selected(collections, only), prune=prune)
        _show(connected.name, steps, _to_do(steps), as_json)
        return ExitCode.CLEAN

    return _run(url, database, command, as_json)


def run_check(
    url: str | None,
    *,
    database: str | None = None,
    only: Sequence[str] = (),
    as_json: bool = False,
    collections: Sequence[CollectionSpec] = COLLECTIONS,
) -> int:
    """Return CLEAN if the database is as declared, else DRIFT. An undeclared index is drift."""

    def command(connected: Database[dict[str, Any]]) -> ExitCode:
        steps = plan(connected, _selected(collections, only))
        _show(connected.name, steps, "drift" if steps else "clean", as_json)
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
    collections: Sequence[CollectionSpec] = COLLECTIONS,
) -> int:
    """Change the database into what is declared, with `yes` or a yes at the terminal.

    `wait`: seconds to wait for the lock.
    """

    def command(connected: Database[dict[str, Any]]) -> ExitCode:
        selected = _selected(collections, only)
        if not yes:
            _confirm(connected.name, changes(connected, selected, prune), as_json)
        on_progress = _ignore if as_json else typer.echo
        done = apply_all(connected, on_progress, collections=selected, prune=prune, wait=wait)
        kept = [step for step in plan(connected, selected) if not step.changes]
        if as_json:
            result = {"done": steps_as_json(done), "kept": steps_as_json(kept)}
            show_json({"database": connected.name, **result})
        else:
            show_steps(kept)
            typer.echo(f"{connected.name}: {len(done) or 'nothing'} done")
        return ExitCode.CLEAN

    return _run(url, database, command, as_json)


def _selected(collections: Sequence[CollectionSpec], only: Sequence[str]) -> list[CollectionSpec]:
    names = [declared.name for declared in collections]
    unknown = ", ".join(name for name in only if name not in names)
    if unknown:
        message = f"not declared: {unknown} (declared: {', '.join(names)})"
        raise CommandFailed(ExitCode.REFUSED, message)
    return [declared for declared in collections if not only or declared.name in only]


def _show(database: str, steps: Sequence[Step], summary: str, as_json: bool) -> None:
    if as_json:
        show_json({"database": database, "clean": not steps, "steps": steps_as_json(steps)})
        return
    show_steps(steps)
    typer.echo(f"{database}: {summary}")


def _to_do(steps: Sequence[Step]) -> str:
    to_do = sum(step.changes for step in steps)
    refused = sum(step.kind is Kind.REFUSE for step in steps)
    blocked = f", {refused} refused: apply does nothing until that is corrected" if refused else ""
    return f"{to_do or 'nothing'} to do{blocked}"


def _confirm(database: str, to_do: Sequence[Step], as_json: bool) -> None:
    """Ask at the terminal, if there is something to change. Raises CommandFailed."""
    if not to_do:
        return
    if not as_json:
        show_steps(to_do)
    if as_json or not sys.stdin.isatty():
        message = f"{len(to_do)} to do, and no terminal to ask at: use --yes to do them"
        raise CommandFailed(ExitCode.REFUSED, message, left=steps_as_json(to_do))
    if not typer.confirm(f"Change {database}?"):
        raise CommandFailed(ExitCode.REFUSED, "nothing was changed")


def _ignore(_: str) -> None:
    """Print nothing, because with --json standard output has the result alone."""


def _run(url: str | None, database: str | None, command: Command, as_json: bool) -> int:
    try:
        with open_database(url, database) as connected:
            return _translate_errors(connected, command)
    except CommandFailed as failure:
        if as_json:
            error = {"code": failure.code.name.lower(), "message": str(failure)}
            show_json({"error": error, **failure.details})
        else:
            typer.echo(str(failure), err=True)
        return failure.code


def _translate_errors(database: Database[dict[str, Any]], command: Command) -> ExitCode:
    try:
        return command(database)
    except LockHeld as error:
        raise CommandFailed(ExitCode.LOCKED, str(error)) from error
    except ApplyRefused as refusal:
        details = {
            "refused": steps_as_json(refusal.refused),
            "done": [],
            "left": steps_as_json(refusal.left),
        }
        raise CommandFailed(ExitCode.REFUSED, str(refusal), **details) from refusal
    except ApplyStopped as stopped:
        not_done = [stopped.failed, *stopped.left]
        message = f"{stopped}\ndone: {_names(stopped.done)}\nnot done: {_names(not_done)}"
        details = {"done": steps_as_json(stopped.done), "left": steps_as_json(not_done)}
        raise CommandFailed(stopped.code, message, **details) from stopped
    except PyMongoError as error:
        raise translate(error, database.name) from error


def _names(steps: Sequence[Step]) -> str:
    return ", ".join(f"{step.kind} {step.target}" for step in steps) or "nothing"
