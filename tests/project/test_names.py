"""Identifiers, prose, error titles and test names follow the rules for plain English."""

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

import service
from service.core.errors import ServiceError

pytestmark = pytest.mark.xdist_group("names")  # so that one worker parses the files

ROOT = Path(__file__).parents[2]
CODE = ("service", "mongo_indexes", "sql_migrations", "benchmarks", "tests")
BANNED_WORDS = {
    "told", "tell", "tells", "said", "says", "those", "there", "somebody", "whoever", "nobody",
    "seen", "held",
}  # fmt: skip
# A key of recorded data ("told") and the method of a file (tell) are no prose.
BANNED_PROSE = re.compile(r"(?i)\b(told|tells?|said|says|whoever|somebody)\b(?![\"(])")
BANNED_NAMES = {"each", "given"}
FIELDS = {"first_seen", "last_seen"}  # the field's own terms, on the wire
BANNED_STARTS = re.compile(r"(Who|Whoever|Whose|What|Of|Those)\b")
BANNED_TITLE_STARTS = re.compile(r"(It|Nobody|Who|Whoever|Whose|What|Of|Those|Nothing)\b")
METAPHORS = re.compile(
    r"\b(house|room|floor|deed|gate|walk|crowd|shelf|door|turn|world)s?\b", re.IGNORECASE
)
MAX_TEST_NAME = 70
THIS = Path("tests/project/test_names.py")
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
DOCUMENTED = (*FUNCTIONS, ast.ClassDef, ast.Module)
NAMING = {*DOCUMENTED, ast.arg, ast.Name, ast.Attribute, ast.alias}


def test_identifiers_have_no_banned_word() -> None:
    assert _identifiers() == {}


def test_prose_has_no_banned_word() -> None:
    assert _prose() == []


def test_docstrings_begin_with_a_subject_or_a_verb() -> None:
    assert _docstrings() == {}


def test_error_titles_and_details_are_plain() -> None:
    assert _titles() == {}


def test_test_names_have_at_most_70_characters() -> None:
    assert _test_names() == {}


@pytest.mark.parametrize(
    "source",
    [
        "told = 1",
        "def f(somebody): ...",
        "class Held: ...",
        "self.told_places = 1",
        "for each in (): ...",
        "with open() as said: ...",
        "def is_there(): ...",
    ],
)
def test_banned_identifier_is_recognized(source: str) -> None:
    assert len(list(banned_identifiers(ast.parse(source)))) == 1


@pytest.mark.parametrize("source", ["file.tell()", "threshold = 1", "f(each=1)", "heard = held"])
def test_use_of_a_foreign_identifier_is_allowed(source: str) -> None:
    assert list(banned_identifiers(ast.parse(source))) == []


@pytest.mark.parametrize("text", ["# Whoever asks", "the log says so", "is told.", "Tells apart"])
def test_banned_prose_is_recognized(text: str) -> None:
    assert BANNED_PROSE.search(text)


@pytest.mark.parametrize("text", ['labels["told"]', "file.tell()", "aforesaid"])
def test_data_and_foreign_methods_are_no_prose(text: str) -> None:
    assert not BANNED_PROSE.search(text)


@pytest.mark.parametrize(
    ("title", "detail"),
    [
        ("It goes to another account", ""),
        ("Nothing is here", ""),
        ("The door is closed", ""),
        ("ends with a period.", ""),
        ("Amount is negative", "send a positive one."),
        ("Amount is negative", "Send a positive one"),
    ],
)
def test_banned_title_or_detail_is_recognized(title: str, detail: str) -> None:
    assert list(title_faults(title, detail))


def banned_identifiers(tree: ast.AST) -> Iterator[str]:
    """Yield the identifiers that are defined here and have a banned word."""
    for node in ast.walk(tree):
        yield from filter(_is_banned, _defined_names(node))


def title_faults(title: str, detail: str) -> Iterator[str]:
    """Yield the reasons why an error's title or detail is not plain."""
    if BANNED_TITLE_STARTS.match(title):
        yield f"begins with a banned word: {title}"
    if match := METAPHORS.search(f"{title} {detail}"):
        yield f"metaphor {match[0]!r}: {title} {detail}"
    if not title[:1].isupper() or (not title[-1:].isalnum() and title[-1:] not in "\"'`)"):
        yield f"not capitalized, or with a final period: {title}"
    if detail and (detail[0].islower() or not detail.endswith(".")):
        yield f"no sentence: {detail}"


def _is_banned(name: str) -> bool:
    words = name.strip("_").lower().split("_")
    return name not in FIELDS and (
        not BANNED_WORDS.isdisjoint(words) or name.strip("_") in BANNED_NAMES
    )


def _defined_names(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        if not _overrides(node):
            yield node.name
    elif isinstance(node, ast.arg):
        yield node.arg
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
        yield node.attr
    elif isinstance(node, ast.alias) and node.asname:
        yield node.asname


def _overrides(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> bool:
    """Return whether the name is that of a base class, such as ``tell`` of a file."""
    return any(isinstance(item, ast.Name) and item.id == "override" for item in node.decorator_list)


class Module(NamedTuple):
    """The text of a module, and what one walk through its tree found."""

    path: Path
    text: str
    banned_identifiers: list[str]
    banned_docstrings: list[str]
    tests: list[str]


@cache
def _modules() -> list[Module]:
    paths = [path for folder in CODE for path in sorted((ROOT / folder).rglob("*.py"))]
    return [_read(path) for path in paths]


def _read(path: Path) -> Module:
    module = Module(path.relative_to(ROOT), path.read_text("utf-8"), [], [], [])
    for node in ast.walk(ast.parse(module.text)):
        if type(node) not in NAMING:  # most nodes; the rest is slower
            continue
        module.banned_identifiers.extend(filter(_is_banned, _defined_names(node)))
        if isinstance(node, DOCUMENTED):
            docstring = ast.get_docstring(node, clean=False) or ""
            if BANNED_STARTS.match(docstring.lstrip()):
                module.banned_docstrings.append(docstring)
        if isinstance(node, FUNCTIONS) and node.name.startswith("test_"):
            module.tests.append(node.name)
    return module


def _identifiers() -> dict[str, list[str]]:
    return _by_folder(
        (_folder(module), name) for module in _modules() for name in module.banned_identifiers
    )


def _prose() -> list[str]:
    modules = [(module.path, module.text) for module in _modules() if module.path != THIS]
    pages = [ROOT / "README.md", ROOT / "compose.yaml", *sorted((ROOT / "docs").glob("*.md"))]
    texts = [*modules, *((page.relative_to(ROOT), page.read_text("utf-8")) for page in pages)]
    return [
        f"{path}: {line.strip()}"
        for path, text in texts
        if BANNED_PROSE.search(text)
        for line in text.splitlines()
        if BANNED_PROSE.search(line)
    ]


def _docstrings() -> dict[str, list[str]]:
    return _by_folder(
        (_folder(module), text) for module in _modules() for text in module.banned_docstrings
    )


@cache
def _titles() -> dict[str, list[str]]:
    for module in pkgutil.walk_packages(service.__path__, "service."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    return _by_folder(
        (error.__module__.rpartition(".")[0].replace(".", "/"), f"{error.__name__} {fault}")
        for error in _subclasses(ServiceError)
        if error.__module__.startswith("service.")
        for fault in title_faults(error.title, error.detail)
    )


def _subclasses(error: type[ServiceError]) -> Iterator[type[ServiceError]]:
    yield error
    for subclass in error.__subclasses__():
        yield from _subclasses(subclass)


def _test_names() -> dict[str, list[str]]:
    return _by_folder(
        (_folder(module), name)
        for module in _modules()
        for name in module.tests
        if len(name) > MAX_TEST_NAME
    )


def _folder(module: Module) -> str:
    return module.path.parent.as_posix()


def _by_folder(faults: Iterator[tuple[str, str]]) -> dict[str, list[str]]:
    folders: dict[str, list[str]] = {}
    for folder, fault in faults:
        folders.setdefault(folder, []).append(fault)
    return folders
