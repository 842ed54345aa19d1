"""Text in CSV cells, escaped so that no spreadsheet takes it for a formula."""

# OWASP, CSV Injection: with these, and their full-width forms, a cell is a formula.
_FORMULA = tuple("=+-@\t\r\n＝＋－＠'")  # noqa: RUF001 - meant


def escape_formula(text: str) -> str:
    """Put a ``'`` before text that looks like a formula or already begins with ``'``."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def unescape_formula(cell: str) -> str:
    """Return the text before ``escape_formula``; other leading ``'`` belong to the text."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA) else cell
