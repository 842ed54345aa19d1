"""The caller and the scopes that routes require."""

from uuid import uuid4

import pytest
from fastapi import Depends

from service.auth.caller import (
    ANONYMOUS,
    OPTIONAL_AUTH,
    PUBLIC,
    Access,
    Caller,
    MissingScope,
    access_of,
    needs,
)


def test_an_endpoint_says_who_may_call_it() -> None:
    assert access_of([PUBLIC]) == Access(asks=False, scopes=None)
    assert access_of([OPTIONAL_AUTH]) == Access(asks=True, scopes=None)
    assert access_of([needs()]) == Access(asks=True, scopes=())
    other = Depends(lambda: None)
    assert access_of([other, needs("posts:read")]) == Access(asks=True, scopes=("posts:read",))


def test_nothing_is_open_by_oversight() -> None:
    other = Depends(lambda: None)
    for said in ([], [other], [PUBLIC, OPTIONAL_AUTH], [needs("posts:read"), needs()]):
        with pytest.raises(TypeError, match="state the access once"):
            access_of(said)


def test_a_scope_there_is_not_cannot_be_needed() -> None:
    with pytest.raises(TypeError, match="posts:delete"):
        needs("posts:read", "posts:delete")


@pytest.mark.parametrize(
    ("models", "model", "may"),
    [
        (None, "fraud", True),
        ((), "fraud", False),
        (("fraud-*",), "fraud-eu", True),
        (("fraud-*",), "fraud-", True),
        (("fraud-*",), "fraud", False),
        (("fraud-*",), "not-fraud-eu", False),
        (("fraud",), "fraud", True),
        (("fraud",), "fraud-eu", False),
        (("fraud",), "Fraud", False),
        (("*",), "anything", True),
        (("fraud-*",), "", False),
        (("a", "b*"), "bc", True),
    ],
)
def test_a_key_may_be_bound_to_models(
    models: tuple[str, ...] | None, model: str, may: bool
) -> None:
    assert Caller(models=models).may_use(model) is may


def test_callers_are_counted_by_key_by_user_or_as_nobody() -> None:
    one, other = uuid4(), uuid4()
    assert ANONYMOUS.name == "nobody"
    assert Caller(one).name == f"user:{one}"
    assert Caller(one, key_id=other).name == f"key:{other}"


def test_who_lacks_a_scope_is_told_which_and_what_for() -> None:
    Caller(scopes=frozenset({"users:admin"})).require_scope("users:admin", "/role")
    with pytest.raises(MissingScope) as refused:
        ANONYMOUS.require_scope("users:admin", "/role", "/status")
    assert [error["pointer"] for error in refused.value.errors] == ["/role", "/status"]
    assert 'scope="users:admin"' in refused.value.headers["WWW-Authenticate"]
