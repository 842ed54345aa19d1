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


def test_access_of_dependencies() -> None:
    assert access_of([PUBLIC]) == Access(asks=False, scopes=None)
    assert access_of([OPTIONAL_AUTH]) == Access(asks=True, scopes=None)
    assert access_of([needs()]) == Access(asks=True, scopes=())
    other = Depends(lambda: None)
    assert access_of([other, needs("posts:read")]) == Access(asks=True, scopes=("posts:read",))


def test_access_undeclared_or_twice_raises() -> None:
    other = Depends(lambda: None)
    for dependencies in ([], [other], [PUBLIC, OPTIONAL_AUTH], [needs("posts:read"), needs()]):
        with pytest.raises(TypeError, match="state the access once"):
            access_of(dependencies)


def test_needs_unknown_scope_raises() -> None:
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
def test_caller_may_use_bound_models_only(
    models: tuple[str, ...] | None, model: str, may: bool
) -> None:
    assert Caller(models=models).may_use(model) is may


def test_caller_name_names_the_key_or_user() -> None:
    one, other = uuid4(), uuid4()
    assert ANONYMOUS.name == "nobody"
    assert Caller(one).name == f"user:{one}"
    assert Caller(one, key_id=other).name == f"key:{other}"


def test_require_scope_missing_names_scope_and_fields() -> None:
    Caller(scopes=frozenset({"users:admin"})).require_scope("users:admin", "/role")
    with pytest.raises(MissingScope) as error:
        ANONYMOUS.require_scope("users:admin", "/role", "/status")
    assert [error["pointer"] for error in error.value.errors] == ["/role", "/status"]
    assert 'scope="users:admin"' in error.value.headers["WWW-Authenticate"]
