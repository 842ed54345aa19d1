"""openapi-python-client makes a client without a warning, and the client works."""

import importlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from tests.documents.predictions.factories import as_lines, make_events
from tests.fixtures.service import running_service

pytestmark = pytest.mark.generators
PACKAGE = "polystore_client"
# Modules of the generated package by their names; they exist when the test runs.
Generated = Any


@pytest.fixture
def generated(service_folder: Path, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Generate the client from a running service; yield its address and the administrator's token.

    The package is importable meanwhile.
    """
    document = tmp_path / "openapi.json"
    with running_service(service_folder) as service:
        document.write_bytes(httpx2.get(f"{service.url}/openapi.json", timeout=60).content)
        subprocess.run(
            [
                *(sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none"),
                *("--path", document, "--output-path", tmp_path / PACKAGE),
                "--fail-on-warning",
            ],
            # It looks for ruff, which formats what it writes.
            env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
            check=True,
            timeout=120,
        )
        sys.path.insert(0, str(tmp_path))
        try:
            yield service.url, service.administrator["Authorization"].removeprefix("Bearer ")
        finally:
            sys.path.remove(str(tmp_path))
            for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
                del sys.modules[name]


def module(name: str) -> Generated:
    return importlib.import_module(f"{PACKAGE}.{name}")


def test_generated_client_writes_and_reads_what_it_promises(generated: tuple[str, str]) -> None:
    url, token = generated
    with module("client").AuthenticatedClient(base_url=url, token=token) as client:
        check_users(client)
        check_posts(client)
        check_predictions(client)


def check_users(client: Generated) -> None:
    models, users_create = module("models"), module("api.users.users_create")
    began, name, key = datetime.now(UTC), f"n{uuid4().hex[:12]}", str(uuid4())
    new = models.UserCreate(username=name, email=f"{name}@example.com")
    user, again = (
        users_create.sync(client=client, body=new, idempotency_key=key) for _ in range(2)
    )
    assert isinstance(user, models.UserRead)
    assert again == user
    assert user.created_at >= began.replace(microsecond=0)
    taken = users_create.sync(client=client, body=new)
    assert isinstance(taken, models.Problem)
    assert taken.code in {"email_taken", "username_taken"}
    found = module("api.users.users_list").sync(client=client, created_at_gte=began, limit=200)
    assert name in {item.username for item in found.items}
    found = module("api.users.users_list").sync(client=client, page=2, page_size=1)
    assert (len(found.items), found.page.limit, found.total_pages == found.total) == (1, 1, True)


def check_posts(client: Generated) -> None:
    models = module("models")
    new = models.PostCreate(title="Pages", tags=["client"])
    post = module("api.posts.posts_create").sync(client=client, body=new)
    comment = models.CommentCreate(content="Clear.")
    made = module("api.comments.comments_create").sync(post.id, client=client, body=comment)
    nested = module("api.posts.posts_get").sync(post.id, client=client, expand="comments,tags")
    assert [(item.id, item.content) for item in nested.comments] == [(made.id, "Clear.")]
    assert [tag.name for tag in nested.tags] == ["client"]
    assert not post.comments


def check_predictions(client: Generated) -> None:
    name = f"m{uuid4().hex[:12]}"
    first, *others = make_events(3, model=name)
    logged = module("api.predictions.predictions_create").sync(
        client=client, body=module("models").Event.from_dict(first)
    )
    assert (logged.status, logged.code) == (201, "created")
    streamed = module("api.predictions.predictions_stream").sync_detailed(
        client=client, body=module("types").File(payload=io.BytesIO(as_lines(others)))
    )
    assert json.loads(streamed.content.splitlines()[-1])["created"] == 2
    page = module("api.predictions.predictions_list").sync(client=client, model=name)
    assert len(page.items) == 3
    missing = module("api.predictions.predictions_get").sync("unknown", client=client)
    assert (missing.status, missing.code) == (404, "prediction_not_found")
