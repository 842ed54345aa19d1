"""The introduction of the OpenAPI document, and a sentence per tag."""

INTRODUCTION = """\
Rows in PostgreSQL, documents and prediction logs in MongoDB. A 2xx means that the data is durable.

## Credentials and scopes

Users get a token from `POST /v1/auth/token` with their password; services send an API key. Both
travel as `Authorization: Bearer …`. A scope is `<resource>:<level>`: `read` shows your own and
public objects, `write` creates objects and changes your own, `admin` does both with everybody's.
Each operation names the scope that it requires.

## Lists

A list answers `{"items": […], "page": {"limit", "next_cursor", "has_more"}, "total"}`. Send
`next_cursor` as `cursor`, with the same filters and `sort`, until `has_more` is false; the `Link`
header has the whole address. `limit` is at most 200. Some lists also have `page` with `page_size`,
and `offset`, for the first 10,000 items. `sort=-created_at` is descending, `count` fills `total`,
`fields=id,created_at` selects fields. A filter is `field=` or `field__op=`: `gte` and `lt` compare,
`in` takes one of several values, `ne` another value, `null` no value.

## Errors

An error is `application/problem+json` (RFC 9457). `code` is for programs, `detail` is the remedy,
and `errors` names each place of the input as a JSON Pointer. An unknown field is 422, an unknown
query parameter 400. After 429 and 503, wait the seconds of `Retry-After`.

## Retries

Send an `Idempotency-Key`, a fresh UUID, with a `POST` that has this parameter. The same request
with the same key repeats the first response, with `Idempotency-Replayed: true`; another request is
422. A prediction needs no key: its `prediction_id` makes every retry safe.

## Versions

An object with a `version` has an `ETag`. Send it as `If-Match` to change only the version that you
read, else 412. Send it as `If-None-Match` to get 304 while your copy is good. `PUT` replaces an
object; `PATCH` is a JSON Merge Patch: an absent field is unchanged, `null` removes.

## Values

Ids are UUIDs. Times are RFC 3339 with an offset, in responses UTC with milliseconds. Money is text
with two decimals: `"12.50"`.

Each `GET` is also a `HEAD`. Send `Accept-Encoding` to get a compressed response: zstd, br or gzip.
"""

_DESCRIPTIONS = {
    "access": "Tokens, API keys, the calling user, and the audit trail.",
    "users": "Accounts of people and services.",
    "tags": "Words that posts are marked with.",
    "posts": "Texts with an author and tags; drafts are visible to their author alone.",
    "comments": "Comments on posts.",
    "catalog": "Products with stock, and the tree of categories that holds them.",
    "orders": "Orders of products, from the placement to the delivery.",
    "reports": "Figures over all rows, from the read replica where there is one.",
    "accounts": "Accounts with a balance in one currency, and their entries.",
    "transfers": "Movements of money between two accounts.",
    "projects": "Projects with members, roles and invitations.",
    "experiments": "Experiments and their runs: params, metrics and tags of trainings.",
    "items": "Documents with free attributes, and the types that validate them.",
    "predictions": "The log of predictions: intake, labels, lists, exports and a live stream.",
    "artifacts": "Files of runs and logged models.",
    "retention": "How long the predictions of a model are kept.",
    "registry": "Names under which versions of models are published, with aliases.",
    "models": "Models of the registry and of the prediction log, joined by their names.",
    "health": "Probes and figures for operators.",
}
TAGS = [{"name": name, "description": text} for name, text in _DESCRIPTIONS.items()]
