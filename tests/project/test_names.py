"""Identifiers, docstrings, error titles and test names follow the rules for plain English."""

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import service
from service.core.errors import ServiceError

ROOT = Path(__file__).parents[2]
CODE = ("service", "mongo_indexes", "sql_migrations", "benchmarks")
BANNED_WORDS = {
    "told", "said", "tell", "those", "there", "somebody", "whoever", "nobody", "seen", "held",
}  # fmt: skip
BANNED_NAMES = {"each", "given"}
BANNED_STARTS = re.compile(r"(Who|Whoever|Whose|What|Of|Those)\b")
BANNED_TITLE_STARTS = re.compile(r"(It|Nobody|Who|Whoever|Whose|What|Of|Those|Nothing)\b")
METAPHORS = re.compile(
    r"\b(house|room|floor|deed|gate|walk|crowd|shelf|door|turn|world)s?\b", re.IGNORECASE
)
MAX_TEST_NAME = 70


def test_identifiers_have_no_banned_word() -> None:
    assert _identifiers() == {}


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
        for name in _defined_names(node):
            words = set(name.strip("_").lower().split("_"))
            if words & BANNED_WORDS or name.strip("_") in BANNED_NAMES:
                yield name


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


@cache
def _trees(*folders: str) -> list[tuple[str, ast.Module]]:
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return [
        (path.relative_to(ROOT).parent.as_posix(), ast.parse(path.read_text())) for path in paths
    ]


@cache
def _identifiers() -> dict[str, list[str]]:
    return _by_folder(
        (folder, name) for folder, tree in _trees(*CODE) for name in banned_identifiers(tree)
    )


@cache
def _docstrings() -> dict[str, list[str]]:
    documented = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module
    docstrings = (
        (folder, ast.get_docstring(node) or "")
        for folder, tree in _trees(*CODE, "tests")
        for node in ast.walk(tree)
        if isinstance(node, documented)
    )
    return _by_folder((folder, text) for folder, text in docstrings if BANNED_STARTS.match(text))


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


@cache
def _test_names() -> dict[str, list[str]]:
    return _by_folder(
        (folder, node.name)
        for folder, tree in _trees("tests")
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and len(node.name) > MAX_TEST_NAME
    )


def _by_folder(faults: Iterator[tuple[str, str]]) -> dict[str, list[str]]:
    folders: dict[str, list[str]] = {}
    for folder, fault in faults:
        folders.setdefault(folder, []).append(fault)
    return folders
