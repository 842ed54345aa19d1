"""The options that benchmarks share, and the printing of their results."""

import argparse
import json
from collections.abc import Mapping, Sequence
from typing import Any


def option_parser(
    docstring: str | None, *, rounds: int, seconds: float | None = None
) -> argparse.ArgumentParser:
    """Return a parser whose help is the module's docstring; the numbers are the defaults."""
    parser = argparse.ArgumentParser(
        description=docstring, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=rounds, help="repetitions; medians are shown")
    if seconds is not None:
        parser.add_argument("--seconds", type=float, default=seconds, help="of one measurement")
    parser.add_argument("--json", action="store_true", help="print one JSON array")
    return parser


def print_rows(rows: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    """Print one line per row: its ``what``, then its figures."""
    if as_json:
        print(json.dumps(rows))
        return
    width = max(len(row["what"]) for row in rows)
    for row in rows:
        figures = (f"{name} {value:.2f}" for name, value in row.items() if name != "what")
        print(f"{row['what']:{width}}  {'  '.join(figures)}")
