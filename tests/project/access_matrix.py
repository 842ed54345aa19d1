"""The table of who may call which operation; more than one row where it depends on the owner."""

from collections.abc import Mapping
from typing import Any, NamedTuple

CALLERS = ("anonymous", "key", "other", "owner", "admin")


class AccessRow(NamedTuple):
    """The status for each caller.

    ``owner`` and ``other`` are members, ``key`` is an administrator's that lacks the scope.
    ``parameters`` names the resource that replaces a parameter of the address, ``query`` what
    follows it.
    """

    anonymous: int
    key: int
    other: int
    owner: int
    admin: int
    body: Mapping[str, Any] | None = None
    parameters: Mapping[str, str] = {}
    query: str = ""


def open_to_all(status: int, body: Mapping[str, Any] | None = None) -> AccessRow:
    """Return the row of what needs no credentials."""
    return AccessRow(status, status, status, status, status, body)


def logged_in(status: int, **options: Any) -> AccessRow:
    """Return the row of what any user with the scope may do; members have it."""
    return AccessRow(401, 403, status, status, status, **options)


def owned(status: int, *, others: int = 404, **options: Any) -> AccessRow:
    """Return the row of an object of one owner, which administrators may reach too."""
    return AccessRow(401, 403, others, status, status, **options)


def admins(status: int, **options: Any) -> AccessRow:
    """Return the row of what administrators alone may do."""
    return AccessRow(401, 403, 403, 403, status, **options)


DRAFT = {"post_id": "draft_id"}
POST, ITEM = {"title": "A title"}, {"name": "thing"}
COMMENT = {"content": "A comment."}
# A value that begins with ~ is replaced by the id of a resource or by something new.
USER = {"username": "~new", "email": "~email"}
PREDICTION = {
    "prediction_id": "~uuid", "timestamp": "2026-01-05T00:00:00Z", "model": "fraud", "version": "1",
    "features": {"a": 1}, "output": {"score": 0.5},
}  # fmt: skip
CLOUDEVENT = {
    "specversion": "1.0", "id": "~new", "source": "/", "inferenceservicename": "fraud",
    "type": "org.kubeflow.serving.inference.request", "data": {"instances": [1]},
}  # fmt: skip
PRODUCT = {"sku": "~new", "name": "thing", "price": "9.99", "currency": "EUR", "stock": 60}
PROJECT, INVITATION = {"name": "Churn"}, {"email": "~email"}
API_KEY = {"name": "k", "scopes": ["items:read"]}
ACCOUNT = {"name": "Savings", "currency": "EUR"}
TRANSFER = {"from_account_id": "~account_id", "to_account_id": "~bank_id", "amount": "1.00"}
TRANSFER_FROM_BANK = {**TRANSFER, "from_account_id": "~bank_id", "to_account_id": "~account_id"}
RETENTION = {"days": 30}
MODEL_VERSION = {"source": "s3://bucket/model"}
EXPERIMENT = {"name": "~new", "project_id": "~project_id"}
RUN = {"experiment_id": "~experiment_id"}
LABEL = {"label": 1, "observed_at": "2026-01-06T00:00:00Z"}

ACCESS_MATRIX: dict[str, AccessRow] = {
    "auth_token": open_to_all(400, {"grant_type": "magic"}),
    "auth_revoke": open_to_all(200, {"token": "rt_unknown"}),
    "me_get": AccessRow(401, 200, 200, 200, 200),
    "me_change_password": AccessRow(
        401, 403, 403, 403, 403, {"current_password": "wrong one", "new_password": "longer one"}
    ),
    "api_keys_create": logged_in(201, body=API_KEY),
    "api_keys_create for another": owned(201, others=403, body={**API_KEY, "user_id": "~owner"}),
    "api_keys_create too strong": AccessRow(
        401, 403, 403, 403, 201, {"name": "k", "scopes": ["users:admin"]}
    ),
    "api_keys_list": logged_in(200),
    "api_keys_get": owned(200),
    "api_keys_rotate": owned(200, body={"overlap_seconds": 0}),
    "api_keys_revoke": owned(204),
    "audit_events_list": admins(200),
    "users_create": open_to_all(201, USER),
    "users_create as administrator": AccessRow(403, 403, 403, 403, 201, {**USER, "role": "admin"}),
    "users_create suspended": AccessRow(403, 403, 403, 403, 201, {**USER, "status": "suspended"}),
    "users_create is_admin": open_to_all(422, {**USER, "is_admin": True}),
    "users_list": logged_in(200),
    "users_list_emails": admins(200),
    "users_create_bulk": admins(201, body={"items": [USER]}),
    "users_deactivate_bulk": admins(200, body={"items": ["~owner"]}),
    "users_get": owned(200),
    "users_get posts": owned(200, query="?expand=posts"),
    "users_update": owned(200, body={"city": "London"}),
    "users_update role": admins(200, body={"role": "admin"}),
    "users_update is_active": admins(200, body={"is_active": True}),
    "users_update password": admins(200, body={"password": "another one"}),
    "users_update is_admin": AccessRow(401, 403, 422, 422, 422, {"is_admin": True}),
    "users_replace": owned(200, body=USER),
    "users_replace role": AccessRow(401, 403, 404, 403, 200, {**USER, "role": "admin"}),
    "users_replace is_active": AccessRow(401, 403, 404, 403, 200, {**USER, "is_active": False}),
    "users_delete": owned(204),
    "users_restore": admins(200),
    "users_erase": AccessRow(401, 403, 404, 422, 200),
    "users_erase with a password": AccessRow(401, 403, 404, 403, 200, {"password": "wrong one"}),
    "tags_create": admins(201, body={"name": "~new"}),
    "tags_put_bulk": admins(200, body={"items": [{"name": "~new"}]}),
    "tags_list": logged_in(200),
    "tags_get": logged_in(200),
    "tags_update": admins(200, body={"name": "~new"}),
    "tags_delete": admins(204),
    "posts_create": logged_in(201, body=POST),
    "posts_create for another": owned(201, others=403, body={**POST, "author_id": "~owner"}),
    "posts_create_bulk": logged_in(201, body={"items": [POST]}),
    "posts_create_bulk for another": owned(
        201, others=403, body={"items": [{**POST, "author_id": "~owner"}]}
    ),
    "posts_publish_bulk": owned(200, others=403, body={"items": ["~post_id"]}),
    "posts_publish_bulk draft": owned(200, body={"items": ["~draft_id"]}),
    "posts_delete_bulk": owned(204, others=403, body={"items": ["~post_id"]}),
    "posts_delete_bulk draft": owned(204, body={"items": ["~draft_id"]}),
    "posts_list": logged_in(200),
    "posts_list_of_user": logged_in(200),
    "posts_get": logged_in(200),
    "posts_get draft": owned(200, parameters=DRAFT),
    "posts_update": owned(200, others=403, body={"title": "Another"}),
    "posts_update draft": owned(200, body={"title": "Another"}, parameters=DRAFT),
    "posts_update author": AccessRow(401, 403, 422, 422, 422, {"author_id": "~other"}),
    "posts_replace": owned(200, others=403, body=POST),
    "posts_replace draft": owned(200, body=POST, parameters=DRAFT),
    "posts_replace author": AccessRow(401, 403, 403, 409, 409, {**POST, "author_id": "~other"}),
    "posts_delete": owned(204, others=403),
    "posts_delete draft": owned(204, parameters=DRAFT),
    "posts_publish": owned(200, others=403),
    "posts_publish draft": owned(200, parameters=DRAFT),
    "posts_unpublish": owned(200, others=403),
    "posts_count_view": logged_in(200),
    "posts_count_view draft": owned(200, parameters=DRAFT),
    "comments_create": logged_in(201, body=COMMENT),
    "comments_create for another": owned(201, others=403, body={**COMMENT, "author_id": "~owner"}),
    "comments_create draft": owned(201, body=COMMENT, parameters=DRAFT),
    "comments_list": logged_in(200),
    "comments_list draft": owned(200, parameters=DRAFT),
    "comments_get": logged_in(200),
    "comments_get draft": owned(200, parameters={**DRAFT, "comment_id": "draft_comment_id"}),
    "comments_update": owned(200, others=403, body=COMMENT),
    "comments_update draft": owned(
        200, body=COMMENT, parameters={**DRAFT, "comment_id": "draft_comment_id"}
    ),
    "comments_delete": owned(204, others=403),
    "categories_create": admins(201, body={"name": "~new"}),
    "categories_list": logged_in(200),
    "categories_get": logged_in(200),
    "categories_update": admins(200, body={"name": "~new"}),
    "categories_delete": admins(204),
    "products_create": admins(201, body=PRODUCT),
    "products_create_bulk": admins(201, body={"items": [PRODUCT]}),
    "products_update_bulk": admins(200, body={"items": [{"id": "~product_id", "name": "other"}]}),
    "products_put_bulk": admins(200, body={"items": [PRODUCT]}),
    "products_delete_bulk": admins(204, body={"items": ["~product_id"]}),
    "products_list": logged_in(200),
    "products_get": logged_in(200),
    "products_update": admins(200, body={"name": "other"}),
    "products_delete": admins(204),
    "products_import": admins(200, body=PRODUCT),
    "products_export": logged_in(200),
    "products_restore": admins(200),
    "products_adjust_stock": admins(200, body={"change": 1, "reason": "received"}),
    "products_list_movements": logged_in(200),
    "orders_create": logged_in(201, body={"lines": ["~line"]}),
    "orders_create for another": owned(
        201, others=403, body={"lines": ["~line"], "user_id": "~owner"}
    ),
    "orders_list": logged_in(200),
    "orders_get": owned(200),
    "orders_pay": admins(200),
    "orders_fulfill": AccessRow(401, 403, 403, 403, 409),
    "orders_cancel": owned(200),
    "reports_sales": admins(200),
    "reports_top_authors": admins(200),
    "reports_stock_value": admins(200),
    "reports_user_growth": admins(200),
    "projects_create": logged_in(201, body=PROJECT),
    "projects_list": logged_in(200),
    "projects_get": owned(200),
    "projects_update": owned(200, body={"description": "Who leaves"}),
    "projects_update creator": AccessRow(401, 403, 422, 422, 422, {"created_by": "~other"}),
    "projects_delete": owned(204),
    "projects_restore": owned(200),
    "registered_models_create": logged_in(201, body={"name": "~new"}),
    "registered_models_create in a project": owned(
        201, body={"name": "~new", "project_id": "~project_id"}
    ),
    "registered_models_list": logged_in(200),
    "registered_models_get": owned(200),
    "registered_models_update": owned(200, body={"tags": {"team": "payments"}}),
    "registered_models_delete": owned(204),
    "model_aliases_put": owned(200, body={"number": "~number_or_alias"}),
    "model_aliases_delete": owned(204),
    "model_versions_create": owned(201, body=MODEL_VERSION),
    "model_versions_list": owned(200),
    "model_versions_get": owned(200),
    "model_versions_update": owned(200, body={"stage": "Production"}),
    "model_versions_delete": owned(204),
    "projects_leave": AccessRow(401, 403, 404, 409, 404),
    "project_members_list": owned(200),
    "project_members_get": owned(200),
    "project_members_update": owned(200, body={"role": "owner"}),
    "project_members_update last owner": AccessRow(401, 403, 404, 409, 409, {"role": "viewer"}),
    "project_members_delete": AccessRow(401, 403, 404, 409, 409),
    "invitations_create": owned(201, body=INVITATION),
    "invitations_list": owned(200),
    "invitations_get": owned(200),
    "invitations_delete": owned(204),
    "invitations_list_mine": logged_in(200),
    "invitations_accept": AccessRow(401, 403, 200, 404, 404, body={"secret": "~secret"}),
    "invitations_decline": AccessRow(401, 403, 200, 404, 404),
    "accounts_create": logged_in(201, body=ACCOUNT),
    "accounts_create for another": owned(201, others=403, body={**ACCOUNT, "owner_id": "~owner"}),
    "accounts_create to overdraw": admins(201, body={**ACCOUNT, "may_overdraw": True}),
    "accounts_list": logged_in(200),
    "accounts_get": owned(200),
    "accounts_update": owned(200, body={"name": "Holidays"}),
    "accounts_update balance": AccessRow(401, 403, 422, 422, 422, {"balance": "1000000.00"}),
    "accounts_close": owned(409),
    "accounts_close empty": owned(204, parameters={"account_id": "empty_account_id"}),
    "entries_list": owned(200),
    "transfers_create": owned(201, others=409, body=TRANSFER),
    "transfers_create out of another's": AccessRow(401, 403, 409, 409, 201, TRANSFER_FROM_BANK),
    "transfers_list": logged_in(200),
    "transfers_get": owned(200),
    "transfers_reverse": owned(200),
    "transfers_reverse what they sent": AccessRow(
        401, 403, 404, 403, 200, parameters={"transfer_id": "sent_transfer_id"}
    ),
    "experiments_create": owned(201, body=EXPERIMENT),
    "experiments_create for all": logged_in(201, body={"name": "~new"}),
    "experiments_list": logged_in(200),
    "experiments_get": owned(200),
    "experiments_update": owned(200, body={"goals": {"loss": "minimize"}}),
    "experiments_delete": owned(204),
    "experiments_restore": owned(200),
    "experiments_purge": AccessRow(401, 403, 404, 409, 409),
    "experiments_set_tag": owned(200, body={"value": "A"}),
    "experiments_remove_tag": owned(204),
    "experiments_export_runs": owned(200),
    "runs_list": logged_in(200),
    "runs_search": logged_in(200, body={}),
    "runs_compare": owned(200, body={"run_ids": ["~run_id"]}),
    "runs_list_history": owned(200, parameters={"key": "run_tag"}),
    "runs_create": owned(201, body=RUN),
    "runs_get": owned(200),
    "runs_update": owned(200, body={"status": "FINISHED"}),
    "runs_delete": owned(204),
    "runs_restore": owned(200),
    "runs_purge": AccessRow(401, 403, 404, 409, 409),
    "runs_log": owned(200, body={"params": {"a": "b"}}),
    "runs_set_tag": owned(200, body={"value": "A"}),
    "runs_remove_tag": owned(204, parameters={"key": "run_tag"}),
    "run_inputs_get": owned(200),
    "logged_models_list": owned(200),
    "logged_models_get": owned(200),
    "logged_models_purge": AccessRow(401, 403, 404, 409, 409),
    "run_artifacts_list": owned(200),
    "run_artifacts_get": owned(200),
    "run_artifacts_put": owned(200, body={"any": "bytes"}),
    "run_artifacts_delete": owned(204),
    "logged_model_artifacts_list": owned(200),
    "logged_model_artifacts_get": owned(200, parameters={"path": "model_path"}),
    "logged_model_artifacts_put": owned(200, body={"any": "bytes"}),
    "logged_model_artifacts_delete": owned(204, parameters={"path": "model_path"}),
    "items_create": logged_in(201, body=ITEM),
    "items_create for another": owned(201, others=403, body={**ITEM, "owner_id": "~owner"}),
    "items_list": logged_in(200),
    "items_search": logged_in(200, body={"where": {"field": "name", "op": "eq", "value": "thing"}}),
    "items_get": owned(200),
    "items_update": owned(200, body={"name": "other"}),
    "items_update owner": AccessRow(401, 403, 422, 422, 422, {"owner_id": "~other"}),
    "items_replace": owned(200, body=ITEM),
    "items_replace owner": AccessRow(401, 403, 404, 409, 409, {**ITEM, "owner_id": "~other"}),
    "items_delete": owned(204),
    "items_restore": owned(200),
    "item_types_list": logged_in(200),
    "item_types_get": logged_in(200),
    "item_types_put": admins(200, body={"json_schema": {"type": "object"}}),
    "item_types_delete": admins(204),
    "predictions_create": admins(201, body=PREDICTION),
    "predictions_create_batch": admins(200, body={"items": [PREDICTION]}),
    "predictions_stream": admins(200, body=PREDICTION),
    "predictions_create_cloudevents": admins(202, body=CLOUDEVENT),
    "prediction_halves_list": admins(200),
    "prediction_halves_replay_all": admins(200),
    "prediction_halves_replay": admins(404),
    "predictions_list": admins(200),
    "predictions_export": admins(200),
    "predictions_tail": admins(400, query="?after=nothing"),  # else it would not end
    "predictions_create_tail_ticket": admins(200, body={"model": "churn"}),
    "predictions_get": admins(200),
    "labels_create_batch": admins(200, body={"items": [{**LABEL, "prediction_id": "~uuid"}]}),
    "labels_stream": admins(200, body={**LABEL, "prediction_id": "~uuid"}),
    "feedback_put": admins(200, body=LABEL),
    "feedback_delete": admins(404),
    "models_list": logged_in(200),
    # It has a rule, and is neither registered nor in the log.
    "models_get": logged_in(404, parameters={"name": "model"}),
    "retention_list": admins(200),
    "model_retention_get": admins(200),
    "model_retention_put": admins(200, body=RETENTION),
    "model_retention_delete": admins(204),
    "version_retention_get": admins(200),
    "version_retention_put": admins(200, body=RETENTION),
    "version_retention_delete": admins(204),
    "welcome": open_to_all(200),
    "livez": open_to_all(200),
    "readyz": open_to_all(200),
    "metrics": admins(200),
}
