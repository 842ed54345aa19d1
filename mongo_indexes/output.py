"""The output of a command: a table on a terminal, plain lines in a pipe, one object as JSON."""

import json
import sys
from collections.abc import Sequence
from typing import Any

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from mongo_indexes.step import Risk, Step

_COLOURS = {Risk.SAFE: "green", Risk.SLOW: "yellow", Risk.DANGEROUS: "bold red"}


def steps_as_json(steps: Sequence[Step]) -> list[dict[str, Any]]:
    """Return the steps as JSON objects, for scripts."""
    return [
        {
            "collection": step.collection,
            "kind": step.kind,
            "name": step.name,
            "risk": step.risk,
            "changes": step.changes,
            "reason": step.reason,
        }
        for step in steps
    ]


def show_json(result: dict[str, Any]) -> None:
    """Print one JSON object on standard output."""
    typer.echo(json.dumps(result, indent=2, ensure_ascii=False))


def show_steps(steps: Sequence[Step]) -> None:
    """Print the steps for people; print nothing if there are none."""
    if not steps:
        return
    if sys.stdout.isatty():
        Console().print(_table(steps))
        return
    for step in steps:
        typer.echo(f"{step.risk:<9}  {step.kind:<17}  {step.target}: {step.reason}")


def _table(steps: Sequence[Step]) -> Table:
    # Names are folded, not cut, because a cut name could not be searched for.
    table = Table("risk", "step", Column("on", overflow="fold"), "reason")
    for step in steps:
        # Text, because a plain string with brackets would be read as markup.
        cells = (Text(step.kind), Text(step.target), Text(step.reason))
        table.add_row(Text(step.risk, style=_COLOURS[step.risk]), *cells)
    return table
