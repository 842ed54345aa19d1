"""The checker: compares the log of the clients with what both stores hold."""

from collections import Counter, defaultdict
from collections.abc import Iterable

from tests.chaos.records import Broken, Record
from tests.chaos.stored import REVISED, Rows

Contents = dict[str, dict[str, set[str]]]  # by kind and marker


def compare(
    sent: Iterable[Record], acknowledged: Iterable[Record], stored: dict[str, Rows], broken: Broken
) -> dict[str, dict[str, int]]:
    """Note each broken promise; return the counts of each kind.

    * ``lost``: acknowledged and not stored.
    * ``changed``: stored with another content, or with an older revision.
    * ``twice``: stored more than once.
    * ``unsent``: stored and never sent.
    """
    sent_by_kind, acknowledged_by_kind = _contents(sent), _contents(acknowledged)
    counts = {}
    for kind, rows in stored.items():
        sent_of_kind, acknowledged_of_kind = sent_by_kind[kind], acknowledged_by_kind[kind]
        times = Counter(marker for marker, _ in rows)
        contents = dict(rows)
        faults = {
            "lost": acknowledged_of_kind.keys() - contents.keys(),
            "twice": {marker for marker, count in times.items() if count > 1},
            "unsent": contents.keys() - sent_of_kind.keys(),
            "changed": {
                marker
                for marker in acknowledged_of_kind.keys() & contents.keys()
                if not _fits(
                    kind,
                    contents[marker],
                    acknowledged_of_kind[marker],
                    sent_of_kind[marker],
                )
            },
        }
        for promise, markers in faults.items():
            for marker in sorted(markers):
                broken.add(promise, f"{kind} {marker}: {contents.get(marker, 'missing')}")
        counts[kind] = {
            "sent": len(sent_of_kind),
            "acknowledged": len(acknowledged_of_kind),
            "stored": len(contents),
            **{promise: len(markers) for promise, markers in faults.items()},
        }
    return counts


def _contents(records: Iterable[Record]) -> Contents:
    found: Contents = defaultdict(lambda: defaultdict(set))
    for record in records:
        found[record.kind][record.marker].add(record.content)
    return found


def _fits(kind: str, stored: str, acknowledged: set[str], sent: set[str]) -> bool:
    """Return whether the content is the acknowledged one, or for revisions a later one."""
    if kind not in REVISED:
        return acknowledged == {stored}
    return stored in sent and int(stored) >= max(map(int, acknowledged))
