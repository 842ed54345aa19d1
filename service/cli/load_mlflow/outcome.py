"""The result of a load: how much was new, and what could not be copied."""

from collections import Counter

from service.cli.output import print_progress

MAX_ITEMS = 1000  # in the result; each is printed when it is found
KINDS = (
    "experiments", "runs", "params", "metrics", "logged models", "models", "versions", "files",
    "bytes",
)  # fmt: skip


class Outcome:
    """Counts what was found at the source and what was new here; ``items`` were not copied."""

    def __init__(self) -> None:
        self.found: Counter[str] = Counter()
        self.new: Counter[str] = Counter()
        self.left_out = self.to_repeat = 0
        self.items: list[str] = []

    def leave_out(self, what: str, reason: object, *, for_good: bool = False) -> None:
        """Report what could not be copied; the next load tries it again if not ``for_good``."""
        line = f"{what}: {reason}"
        print_progress(f"not copied: {line}")
        self.left_out += 1
        self.to_repeat += not for_good
        if len(self.items) < MAX_ITEMS:
            self.items.append(line)

    def as_json(self) -> dict[str, object]:
        """Return the counts, and the first 1,000 items that were not copied."""
        counts = {kind: {"found": self.found[kind], "new": self.new[kind]} for kind in KINDS}
        return {"copied": counts, "not_copied": self.left_out, "items": self.items}

    def as_lines(self) -> list[str]:
        """Return a line for each kind."""
        lines = [f"{kind:<14} {self.found[kind]:>12,} {self.new[kind]:>12,}" for kind in KINDS]
        head = f"{'':<14} {'at the source':>12} {'new here':>12}"
        return [head, *lines, f"not copied: {self.left_out:,}"]
