"""Text in the cells of a CSV, so that no spreadsheet takes it for a formula."""

# OWASP, CSV Injection: with these, and their full-width forms, a cell is a formula.
_FORMULA = tuple("=+-@\t\r\n＝＋－＠'")  # noqa: RUF001 - meant


def escape_formula(text: str) -> str:
    """With a ``'`` in front where it needs one, or begins with one that must not be taken away."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def unescape_formula(cell: str) -> str:
    """What :func:`guarded` was given; a ``'`` before anything else is part of the text."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA) else cell
