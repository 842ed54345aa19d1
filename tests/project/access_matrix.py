"""The table of who may call what: a row for each operation, and more where it depends on whose."""

from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import uuid4

from uuid_utils.compat import uuid7

CALLERS = ("nobody", "key", "stranger", "owner", "admin")


class Row(NamedTuple):
    """The status each caller gets.

    ``stranger`` and ``owner`` are members, ``key`` is an administrator's that lacks the scope.
    ``of`` says which thing of the world stands in the address instead of the usual one, ``query``
    what stands behind it.
    """

    nobody: int
    key: int
    stranger: int
    owner: int
    admin: int
    body: Mapping[str, Any] | None = None
    of: Mapping[str, str] = {}
    query: str = ""


def open_to_all(status: int, body: Mapping[str, Any] | None = None) -> Row:
    return Row(status, status, status, status, status, body)


def known(status: int, **more: Any) -> Row:
    """For whoever is logged in and has the scope, which members do."""
    return Row(401, 403, status, status, status, **more)


def own(status: int, *, others: int = 404, **more: Any) -> Row:
    """For who it belongs to, and administrators."""
    return Row(401, 403, others, status, status, **more)


def staff(status: int, **more: Any) -> Row:
    """Not for members."""
    return Row(401, 403, 403, 403, status, **more)


DRAFT = {"post_id": "draft"}
POST, ITEM = {"title": "A title"}, {"name": "thing"}
COMMENT = {"content": "Well said."}
# What begins with ~ is put in by the world: an id of it, or something new.
USER = {"username": "~new", "email": "~email"}
EVENT = {
    "prediction_id": "~uuid", "timestamp": "2026-01-05T00:00:00Z", "model": "fraud", "version": "1",
    "features": {"a": 1}, "output": {"score": 0.5},
}  # fmt: skip
HALF = {
    "specversion": "1.0", "id": "~new", "source": "/", "inferenceservicename": "fraud",
    "type": "org.kubeflow.serving.inference.request", "data": {"instances": [1]},
}  # fmt: skip
PRODUCT = {"sku": "~new", "name": "thing", "price": "9.99", "currency": "EUR", "stock": 60}
PROJECT, NOBODY_YET = {"name": "Churn"}, {"email": "~email"}
KEY = {"name": "k", "scopes": ["items:read"]}
ACCOUNT = {"name": "Savings", "currency": "EUR"}
TRANSFER = {"from_account_id": "~account_id", "to_account_id": "~bank", "amount": "1.00"}
FROM_BANK = {**TRANSFER, "from_account_id": "~bank", "to_account_id": "~account_id"}
KEPT = {"days": 30}
LABEL = {"label": 1, "observed_at": "2026-01-06T00:00:00Z"}

WALK: dict[str, Row] = {
    "auth_token": open_to_all(400, {"grant_type": "magic"}),
    "auth_revoke": open_to_all(200, {"token": "rt_unknown"}),
    "me_get": Row(401, 200, 200, 200, 200),
    "me_change_password": Row(
        401, 403, 403, 403, 403, {"current_password": "wrong one", "new_password": "longer one"}
    ),
    "api_keys_create": known(201, body=KEY),
    "api_keys_create for another": own(201, others=403, body={**KEY, "user_id": "~owner"}),
    "api_keys_create too strong": Row(
        401, 403, 403, 403, 201, {"name": "k", "scopes": ["users:admin"]}
    ),
    "api_keys_list": known(200),
    "api_keys_get": own(200),
    "api_keys_rotate": own(200, body={"overlap_seconds": 0}),
    "api_keys_revoke": own(204),
    "audit_events_list": staff(200),
    "users_create": open_to_all(201, USER),
    "users_create as administrator": Row(403, 403, 403, 403, 201, {**USER, "role": "admin"}),
    "users_create suspended": Row(403, 403, 403, 403, 201, {**USER, "status": "suspended"}),
    "users_create is_admin": open_to_all(422, {**USER, "is_admin": True}),
    "users_list": known(200),
    "users_list_emails": staff(200),
    "users_create_bulk": staff(201, body={"items": [USER]}),
    "users_deactivate_bulk": staff(200, body={"items": ["~owner"]}),
    "users_get": own(200),
    "users_update": own(200, body={"city": "London"}),
    "users_update role": staff(200, body={"role": "admin"}),
    "users_update is_active": staff(200, body={"is_active": True}),
    "users_update password": staff(200, body={"password": "another one"}),
    "users_update is_admin": Row(401, 403, 422, 422, 422, {"is_admin": True}),
    "users_delete": own(204),
    "users_restore": staff(200),
    "tags_create": staff(201, body={"name": "~new"}),
    "tags_put_bulk": staff(200, body={"items": [{"name": "~new"}]}),
    "tags_list": known(200),
    "tags_get": known(200),
    "tags_update": staff(200, body={"name": "~new"}),
    "tags_delete": staff(204),
    "posts_create": known(201, body=POST),
    "posts_create for another": own(201, others=403, body={**POST, "author_id": "~owner"}),
    "posts_create_bulk": known(201, body={"items": [POST]}),
    "posts_create_bulk for another": own(
        201, others=403, body={"items": [{**POST, "author_id": "~owner"}]}
    ),
    "posts_publish_bulk": own(200, others=403, body={"items": ["~post_id"]}),
    "posts_publish_bulk draft": own(200, body={"items": ["~draft"]}),
    "posts_delete_bulk": own(204, others=403, body={"items": ["~post_id"]}),
    "posts_delete_bulk draft": own(204, body={"items": ["~draft"]}),
    "posts_list": known(200),
    "posts_list_of_user": known(200),
    "posts_get": known(200),
    "posts_get draft": own(200, of=DRAFT),
    "posts_update": own(200, others=403, body={"title": "Another"}),
    "posts_update draft": own(200, body={"title": "Another"}, of=DRAFT),
    "posts_update author": Row(401, 403, 422, 422, 422, {"author_id": "~stranger"}),
    "posts_delete": own(204, others=403),
    "posts_delete draft": own(204, of=DRAFT),
    "posts_publish": own(200, others=403),
    "posts_publish draft": own(200, of=DRAFT),
    "posts_unpublish": own(200, others=403),
    "posts_count_view": known(200),
    "posts_count_view draft": own(200, of=DRAFT),
    "comments_create": known(201, body=COMMENT),
    "comments_create for another": own(201, others=403, body={**COMMENT, "author_id": "~owner"}),
    "comments_create draft": own(201, body=COMMENT, of=DRAFT),
    "comments_list": known(200),
    "comments_list draft": own(200, of=DRAFT),
    "comments_get": known(200),
    "comments_get draft": own(200, of={**DRAFT, "comment_id": "draft_comment"}),
    "comments_update": own(200, others=403, body=COMMENT),
    "comments_update draft": own(200, body=COMMENT, of={**DRAFT, "comment_id": "draft_comment"}),
    "comments_delete": own(204, others=403),
    "categories_create": staff(201, body={"name": "~new"}),
    "categories_list": known(200),
    "categories_get": known(200),
    "categories_update": staff(200, body={"name": "~new"}),
    "categories_delete": staff(204),
    "products_create": staff(201, body=PRODUCT),
    "products_create_bulk": staff(201, body={"items": [PRODUCT]}),
    "products_update_bulk": staff(200, body={"items": [{"id": "~product_id", "name": "other"}]}),
    "products_put_bulk": staff(200, body={"items": [PRODUCT]}),
    "products_delete_bulk": staff(204, body={"items": ["~product_id"]}),
    "products_list": known(200),
    "products_get": known(200),
    "products_update": staff(200, body={"name": "other"}),
    "products_delete": staff(204),
    "products_import": staff(200, body=PRODUCT),
    "products_export": known(200),
    "products_restore": staff(200),
    "products_adjust_stock": staff(200, body={"change": 1, "reason": "received"}),
    "products_list_movements": known(200),
    "orders_create": known(201, body={"lines": ["~line"]}),
    "orders_create for another": own(
        201, others=403, body={"lines": ["~line"], "user_id": "~owner"}
    ),
    "orders_list": known(200),
    "orders_get": own(200),
    "orders_pay": own(200),
    "orders_fulfill": Row(401, 403, 403, 403, 409),
    "orders_cancel": own(200),
    "reports_sales": staff(200),
    "reports_top_authors": staff(200),
    "reports_stock_value": staff(200),
    "reports_user_growth": staff(200),
    "projects_create": known(201, body=PROJECT),
    "projects_list": known(200),
    "projects_get": own(200),
    "projects_update": own(200, body={"description": "Who leaves"}),
    "projects_update creator": Row(401, 403, 422, 422, 422, {"created_by": "~stranger"}),
    "projects_delete": own(204),
    "projects_restore": own(200),
    "projects_leave": Row(401, 403, 404, 409, 404),
    "project_members_list": own(200),
    "project_members_get": own(200),
    "project_members_update": own(200, body={"role": "owner"}),
    "project_members_update last owner": Row(401, 403, 404, 409, 409, {"role": "viewer"}),
    "project_members_delete": Row(401, 403, 404, 409, 409),
    "invitations_create": own(201, body=NOBODY_YET),
    "invitations_list": own(200),
    "invitations_get": own(200),
    "invitations_delete": own(204),
    "invitations_list_mine": known(200),
    "invitations_accept": Row(401, 403, 200, 404, 404),
    "invitations_decline": Row(401, 403, 200, 404, 404),
    "accounts_create": known(201, body=ACCOUNT),
    "accounts_create for another": own(201, others=403, body={**ACCOUNT, "owner_id": "~owner"}),
    "accounts_create to overdraw": staff(201, body={**ACCOUNT, "may_overdraw": True}),
    "accounts_list": known(200),
    "accounts_get": own(200),
    "accounts_update": own(200, body={"name": "Holidays"}),
    "accounts_update balance": Row(401, 403, 422, 422, 422, {"balance": "1000000.00"}),
    "accounts_close": own(409),
    "accounts_close empty": own(204, of={"account_id": "empty_account"}),
    "entries_list": own(200),
    "transfers_create": own(201, others=409, body=TRANSFER),
    "transfers_create out of another's": Row(401, 403, 409, 409, 201, FROM_BANK),
    "transfers_list": known(200),
    "transfers_get": own(200),
    "transfers_reverse": own(200),
    "transfers_reverse what they sent": Row(
        401, 403, 404, 403, 200, of={"transfer_id": "sent_transfer"}
    ),
    "items_create": known(201, body=ITEM),
    "items_create for another": own(201, others=403, body={**ITEM, "owner_id": "~owner"}),
    "items_list": known(200),
    "items_search": known(200, body={"where": {"field": "name", "op": "eq", "value": "thing"}}),
    "items_get": own(200),
    "items_update": own(200, body={"name": "other"}),
    "items_update owner": Row(401, 403, 422, 422, 422, {"owner_id": "~stranger"}),
    "items_delete": own(204),
    "items_restore": own(200),
    "item_types_list": known(200),
    "item_types_get": known(200),
    "item_types_put": staff(200, body={"json_schema": {"type": "object"}}),
    "item_types_delete": staff(204),
    "predictions_create": staff(201, body=EVENT),
    "predictions_create_batch": staff(200, body={"items": [EVENT]}),
    "predictions_stream": staff(200, body=EVENT),
    "predictions_create_cloudevents": staff(202, body=HALF),
    "prediction_halves_list": staff(200),
    "predictions_list": staff(200),
    "predictions_export": staff(200),
    "predictions_tail": staff(400, query="?after=nothing"),  # else it would not end
    "predictions_get": staff(200),
    "labels_create_batch": staff(200, body={"items": [{**LABEL, "prediction_id": "~uuid"}]}),
    "labels_stream": staff(200, body={**LABEL, "prediction_id": "~uuid"}),
    "feedback_put": staff(200, body=LABEL),
    "retention_list": staff(200),
    "model_retention_get": staff(200),
    "model_retention_put": staff(200, body=KEPT),
    "model_retention_delete": staff(204),
    "version_retention_get": staff(200),
    "version_retention_put": staff(200, body=KEPT),
    "version_retention_delete": staff(204),
    "livez": open_to_all(200),
    "readyz": open_to_all(200),
    "metrics": staff(200),
}


def filled(value: Any, world: Mapping[str, str]) -> Any:
    """A body with what the world puts in."""
    if isinstance(value, Mapping):
        return {name: filled(each, world) for name, each in value.items()}
    if isinstance(value, list):
        return [filled(each, world) for each in value]
    if not isinstance(value, str) or not value.startswith("~"):
        return value
    fresh = {"~new": f"n{uuid4().hex[:12]}", "~uuid": str(uuid7())}
    fresh["~email"] = f"{fresh['~new']}@example.com"
    if value == "~line":
        return {"product_id": world["product_id"], "quantity": 1}
    return fresh.get(value) or world[value[1:]]
