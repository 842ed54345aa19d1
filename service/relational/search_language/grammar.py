"""Grammar of filters: text → tree.

    filter := either                     empty text matches everything; blanks alone are refused
    either := every { OR every }
    every  := { AND } part { AND { AND } part } { AND }
    part   := '(' either ')' | clause
    clause := name op value | name [NOT] IN '(' text { ',' text } ')' | name IS [NOT] NULL
    op     := = | != | < | <= | > | >= | LIKE | ILIKE
    name   := [ entity '.' ] key         the entity is bare or `in backticks`
    key    := bare | `any characters` | "any characters"
    value  := number | text              text is 'in' or "in" quotes, which have no escapes: a
                                         doubled quote is two quotes

Keywords are in any case. A bare key has letters, digits, _ and dots.
"""

from typing import cast

from service.relational.search_language.errors import InvalidFilter
from service.relational.search_language.names import name_at
from service.relational.search_language.tree import (
    EVERYTHING,
    Clause,
    Either,
    Every,
    Name,
    Operator,
    Tree,
    Value,
)
from service.relational.search_language.words import Word, split

MOST_CLAUSES = 100
DEEPEST = 20  # parentheses within one another
_SIGNS = {"=", "!=", "<", "<=", ">", ">="}
_EXACT_DIGITS = 18  # an integer of more may not fit into 64 bits


def parse_filter(text: str | None, *, alternatives: bool = True) -> Tree:
    """Return the tree of a filter; None is the empty filter.

    Without ``alternatives``, OR and parentheses are refused, as by MLflow's server.

    Raises:
        InvalidFilter: with the place in the text.
    """
    if not text:
        return EVERYTHING
    words = split(text, InvalidFilter)
    if len(words) == 1:
        raise InvalidFilter("Send a clause, or no filter at all.", 0)
    return _Parser(words, alternatives).whole()


class _Parser:
    """Reads words from left to right; each method leaves the place behind what it has read."""

    def __init__(self, words: list[Word], alternatives: bool) -> None:
        self._words, self._alternatives = words, alternatives
        self._place = self._depth = self._clauses = 0

    def whole(self) -> Tree:
        tree = self._either() if self._alternatives else self._every()
        if self._next.kind != "end":
            joins = "AND or OR" if self._alternatives else "AND"
            raise InvalidFilter(f"Join clauses with {joins}.", self._next.at)
        return tree

    @property
    def _next(self) -> Word:
        return self._words[self._place]

    def _take(self) -> Word:
        word = self._next
        self._place += word.kind != "end"
        return word

    def _takes(self, *keywords: str) -> bool:
        """Read these keywords if they come next."""
        words = self._words[self._place : self._place + len(keywords)]
        if [word.keyword for word in words] != list(keywords):
            return False
        self._place += len(keywords)
        return True

    def _takes_sign(self, sign: str) -> bool:
        if self._next.kind != "sign" or self._next.text != sign:
            return False
        self._place += 1
        return True

    def _either(self) -> Tree:
        parts = [self._every()]
        while self._takes("OR"):
            parts.append(self._every())
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def _every(self) -> Tree:
        self._skip_ands()
        parts = [self._part()]
        while self._skip_ands() and not self._ends():
            parts.append(self._part())
        return parts[0] if len(parts) == 1 else Every(tuple(parts))

    def _skip_ands(self) -> bool:
        begin = self._place
        while self._takes("AND"):
            pass
        return self._place > begin

    def _ends(self) -> bool:
        word = self._next
        return word.kind == "end" or word.keyword == "OR" or (word.kind, word.text) == ("sign", ")")

    def _part(self) -> Tree:
        opened = self._next.at
        if not (self._alternatives and self._takes_sign("(")):
            return self._clause()
        self._depth += 1
        if self._depth > DEEPEST:
            raise InvalidFilter(f"Nest at most {DEEPEST} parentheses.", opened)
        tree = self._either()
        if not self._takes_sign(")"):
            raise InvalidFilter(
                "Join clauses with AND or OR, or close the parenthesis.", self._next.at
            )
        self._depth -= 1
        return tree

    def _clause(self) -> Clause:
        self._clauses += 1
        if self._clauses > MOST_CLAUSES:
            raise InvalidFilter(f"Send at most {MOST_CLAUSES} clauses.", self._next.at)
        name, self._place = name_at(self._words, self._place, InvalidFilter)
        at = self._next.at
        if self._takes("IS", "NOT", "NULL"):
            return Clause(name, "IS NOT NULL", None, at)
        if self._takes("IS", "NULL"):
            return Clause(name, "IS NULL", None, at)
        if self._takes("NOT", "IN"):
            return Clause(name, "NOT IN", self._texts(), at)
        if self._takes("IN"):
            return Clause(name, "IN", self._texts(), at)
        return self._comparison(name)

    def _comparison(self, name: Name) -> Clause:
        word = self._take()
        operator = word.text if word.kind == "sign" else word.keyword
        if operator not in _SIGNS | {"LIKE", "ILIKE"}:
            raise InvalidFilter(
                f"Continue {name} with =, !=, <, <=, >, >=, LIKE, ILIKE, [NOT] IN (…) or "
                "IS [NOT] NULL.",
                word.at,
            )
        at = self._next.at
        return Clause(name, cast("Operator", operator), self._value(), at)

    def _value(self) -> Value:
        word = self._take()
        if word.kind in {"single", "double"}:
            return word.text
        if word.kind == "number":
            return _number(word.text)
        raise InvalidFilter("Send a number, or text in quotes.", word.at)

    def _texts(self) -> tuple[str, ...]:
        if not self._takes_sign("("):
            raise InvalidFilter("Send the texts in parentheses: IN ('a', 'b').", self._next.at)
        texts = [self._text()]
        while self._takes_sign(","):
            texts.append(self._text())
        if not self._takes_sign(")"):
            raise InvalidFilter(
                "Separate the texts by commas, and close the parenthesis.", self._next.at
            )
        return tuple(texts)

    def _text(self) -> str:
        word = self._take()
        if word.kind not in {"single", "double"}:
            raise InvalidFilter("Send text in quotes.", word.at)
        return word.text


def _number(text: str) -> int | float:
    if text.lstrip("-").isdigit() and len(text) <= _EXACT_DIGITS:
        return int(text)
    return float(text)
