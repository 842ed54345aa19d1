"""The one rule for labels, in events and in feedback."""

from typing import Any


def normalize_label(label: Any) -> Any:
    """Return 1 for 1.0, because both are one number in JSON; other labels stay as they are."""
    if isinstance(label, float) and label.is_integer() and -(2**63) <= label < 2**63:
        return int(label)
    return label
