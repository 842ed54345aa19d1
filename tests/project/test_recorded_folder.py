"""A data folder of an earlier commit starts, and its keys, tokens and cursors still work.

``recorded/data.tar.xz`` is the data folder of commit ce8b4cb, as ``polystore serve`` left it after
SIGTERM; ``recorded/recorded.json`` is what its clients hold: keys, tokens, ETags, cursors, and the
answers they got. The service is started once on a copy of the folder.

What ends by the clock was dated to the year 2100 in the stores before the end, by SQL and ``$set``:
``created_at`` of Idempotency-Keys (which live a day), ``expires_at`` of logins (30 days), of the
open invitation (14 days), of halves (a week, or a day when they are events) and of predictions with
a rule, and ``previous_until`` of the rotated key. The access token is the service's own, signed by
its own code, but until 2100 and not for 15 minutes. Nothing else was changed. The id of the tail
lives as long as the oplog, which mongod cuts by size alone and not by time.

The secrets in here open nothing else. The engines make anew what was left out of the archive: logs,
locks, mongod's journal (empty after an end in order), PostgreSQL's ``pg_internal.init``.
"""

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pytest
from pymongo import MongoClient
from typer.testing import CliRunner

from service.cli import app
from tests.fixtures.service import RunningService, running_service
from tests.fixtures.stores import connected

pytestmark = pytest.mark.xdist_group("recorded")
RECORDED = Path(__file__).parent / "recorded"
RECORDING: dict[str, Any] = json.loads((RECORDED / "recorded.json").read_text("utf-8"))
CREDENTIALS = RECORDING["credentials"]
OWN = CREDENTIALS["own_key"]
CLOUD_EVENTS = "/v1/predictions/cloudevents"


class Restarted(NamedTuple):
    """The started service and its responses before any test changed something."""

    service: RunningService
    client: httpx2.Client
    bodies: dict[str, Any]
    statuses_with_etag: dict[str, int]

    @property
    def data(self) -> Path:
        return self.service.log.parent / "data"

    def send(self, method: str, path: str, token: str | None = OWN, **what: Any) -> httpx2.Response:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return self.client.request(
            method, path, **{**what, "headers": {**headers, **what.get("headers", {})}}
        )

    def grant(self, **form: str) -> httpx2.Response:
        return self.send("POST", "/v1/auth/token", None, data=form)


@pytest.fixture(scope="module")
def restarted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Restarted]:
    folder = tmp_path_factory.mktemp("recorded")
    unpack(folder / "data")
    with (
        running_service(folder, POLYSTORE_TAIL_HEARTBEAT_SECONDS="0.5") as service,
        httpx2.Client(base_url=service.url, timeout=30) as client,
    ):
        found = Restarted(service, client, {}, {})
        for path in [*RECORDING["reads"], *RECORDING["pages"]]:
            found.bodies[path] = body_of(found.send("GET", path))
        for path, etag in RECORDING["etags"].items():
            answer = found.send("GET", path, headers={"If-None-Match": etag})
            found.statuses_with_etag[path] = answer.status_code
        yield found


def unpack(data: Path) -> None:
    """Unpack the folder for its owner alone, because PostgreSQL and mongod require that."""
    with tarfile.open(RECORDED / "data.tar.xz") as tar:
        tar.extractall(data, filter="data")
    for path in [data, *data.rglob("*")]:
        path.chmod(0o700 if path.is_dir() else 0o600)


def body_of(answer: httpx2.Response) -> Any:
    """Return the JSON of a response, or of each of its lines; the text of an error."""
    if answer.status_code != 200:
        return answer.text
    if "ndjson" in answer.headers["content-type"]:
        return [json.loads(line) for line in answer.content.splitlines()]
    return answer.json()


def differences(recorded: Any, found: Any, place: str = "") -> Iterator[str]:
    """Yield the differences from the recording; an added field is no difference."""
    if isinstance(recorded, dict) and isinstance(found, dict):
        for name, value in recorded.items():
            yield from differences(value, found.get(name, "nothing"), f"{place}/{name}")
    elif isinstance(recorded, list) and isinstance(found, list) and len(recorded) == len(found):
        for number, (value, other) in enumerate(zip(recorded, found, strict=True)):
            yield from differences(value, other, f"{place}/{number}")
    elif recorded != found or type(recorded) is not type(found):
        yield f"{place}: {found!r} and not {recorded!r}"


def all_differences(recorded: dict[str, Any], found: dict[str, Any]) -> list[str]:
    return [
        f"GET {path} {difference}"
        for path, body in recorded.items()
        for difference in differences(body, found[path])
    ]


# -- the stores ------------------------------------------------------------------------------------


async def test_stores_after_the_start_have_all_columns_and_rows(restarted: Restarted) -> None:
    urls = json.loads((restarted.data / "running.json").read_text("utf-8"))
    kept = RECORDING["contents"]
    missing = list[str]()
    async with connected(urls["database_url"]) as connection:
        for table, expected in kept["tables"].items():
            rows = await connection.fetch(
                "SELECT column_name, data_type FROM information_schema.columns "
                "WHERE table_schema = 'public' AND table_name = $1",
                table,
            )
            columns = {row["column_name"]: row["data_type"] for row in rows}
            missing += differences(expected["columns"], columns, table)
            if await connection.fetchval(f'SELECT count(*) FROM "{table}"') < expected["rows"]:  # noqa: S608
                missing.append(f"rows of {table}")
    with MongoClient[dict[str, Any]](urls["mongodb_url"]) as client:
        database = client.get_default_database()
        for name, count in kept["collections"].items():
            if database[name].count_documents({}) < count:
                missing.append(f"documents of {name}")
    assert missing == []


def test_doctor_after_the_start_finds_stores_and_ledger_sound(restarted: Restarted) -> None:
    environment = {"POLYSTORE_DATA_DIR": str(restarted.data)}
    result = CliRunner().invoke(app, ["doctor", "--json"], env=environment)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["postgresql"]["pending"], found["mongodb"]["drift"]) == ([], [])
    assert {check["count"] for check in found["postgresql"]["ledger"].values()} == {0}


# -- what is read ----------------------------------------------------------------------------------


def test_lists_and_things_after_the_start_are_as_recorded(restarted: Restarted) -> None:
    assert all_differences(RECORDING["reads"], restarted.bodies) == []


def test_cursor_of_a_recorded_page_gives_the_next_page(restarted: Restarted) -> None:
    assert all_differences(RECORDING["pages"], restarted.bodies) == []


def test_etag_of_an_unchanged_thing_gives_304(restarted: Restarted) -> None:
    assert restarted.statuses_with_etag == dict.fromkeys(RECORDING["etags"], 304)


def test_etag_in_if_match_lets_one_change_through(restarted: Restarted) -> None:
    for case in RECORDING["guarded"]:
        statuses = [
            restarted.send(
                "PATCH", case["path"], json=case["change"], headers={"If-Match": case["etag"]}
            ).status_code
            for _ in range(2)
        ]
        assert statuses == [200, 412], case["path"]


# -- who calls -------------------------------------------------------------------------------------


def test_key_made_before_the_start_authenticates(restarted: Restarted) -> None:
    for key in (CREDENTIALS["demo_key"], OWN, *CREDENTIALS["rotated_keys"]):
        answer = restarted.send("GET", "/v1/me", key)
        assert answer.status_code == 200, answer.text
        assert answer.json()["username"] == CREDENTIALS["administrator"]["username"]
    kept = json.loads((restarted.data / "credentials.json").read_text("utf-8"))
    assert kept["demo_key"] == CREDENTIALS["demo_key"]


def test_key_revoked_before_the_start_is_refused(restarted: Restarted) -> None:
    assert restarted.send("GET", "/v1/me", CREDENTIALS["revoked_key"]).status_code == 401


def test_key_as_client_credentials_gives_an_access_token(restarted: Restarted) -> None:
    name, _, secret = OWN.removeprefix("pk_").partition("_")
    answer = restarted.grant(
        grant_type="client_credentials", client_id=f"pk_{name}", client_secret=secret
    )
    assert answer.status_code == 200, answer.text
    assert restarted.send("GET", "/v1/me", answer.json()["access_token"]).status_code == 200


def test_refresh_token_given_before_gives_an_access_token(restarted: Restarted) -> None:
    form = {"grant_type": "refresh_token", "refresh_token": CREDENTIALS["refresh_token"]}
    answer = restarted.grant(**form)
    assert answer.status_code == 200, answer.text
    me = restarted.send("GET", "/v1/me", answer.json()["access_token"]).json()
    assert me["id"] == RECORDING["ids"]["grace"]
    assert restarted.grant(**form).status_code == 401, "it is good once"


def test_access_token_signed_before_the_start_authenticates(restarted: Restarted) -> None:
    answer = restarted.send("GET", "/v1/me", CREDENTIALS["access_token"])
    assert answer.status_code == 200, answer.text
    assert answer.json()["id"] == RECORDING["ids"]["grace"]


def test_password_set_before_the_start_logs_in(restarted: Restarted) -> None:
    for username, password in CREDENTIALS["passwords"].items():
        answer = restarted.grant(grant_type="password", username=username, password=password)
        assert answer.status_code == 200, answer.text


def test_administrator_logs_in_with_the_email_of_the_folder(restarted: Restarted) -> None:
    kept = json.loads((restarted.data / "credentials.json").read_text("utf-8"))
    assert kept["email"] == "admin@polystore.local", "a new folder has another"
    answer = restarted.grant(
        grant_type="password", username=kept["email"], password=kept["password"]
    )
    assert answer.status_code == 200, answer.text


def test_invitation_made_before_the_start_is_accepted(restarted: Restarted) -> None:
    invitation, password = RECORDING["invitation"], CREDENTIALS["passwords"]["hedy"]
    token = restarted.grant(grant_type="password", username="hedy", password=password).json()
    answer = restarted.send(
        "POST", f"/v1/invitations/{invitation['id']}/accept", token["access_token"]
    )
    assert answer.status_code == 200, answer.text
    assert (answer.json()["id"], answer.json()["my_role"]) == (invitation["project_id"], "member")


# -- what is sent again ----------------------------------------------------------------------------


def test_idempotency_key_sent_again_replays_its_answer(restarted: Restarted) -> None:
    for sent in RECORDING["idempotent"]:
        answer = repeated(restarted, sent, sent["body"])
        assert answer.headers.get("idempotency-replayed") == "true", answer.text
        assert (answer.status_code, answer.text) == (sent["status"], sent["answer"])
        headers = {name: answer.headers.get(name) for name in sent["headers"]}
        assert headers == sent["headers"]


def test_idempotency_key_with_another_body_is_refused(restarted: Restarted) -> None:
    for sent in RECORDING["idempotent"]:
        answer = repeated(restarted, sent, dict(reversed(sent["body"].items())))
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


def repeated(restarted: Restarted, sent: dict[str, Any], body: Any) -> httpx2.Response:
    token = OWN if sent["by"] == "own" else None
    headers = {"Idempotency-Key": sent["key"]}
    return restarted.send("POST", sent["path"], token, json=body, headers=headers)


def test_idempotency_key_of_a_secret_sent_again_is_refused(restarted: Restarted) -> None:
    administrator = restarted.grant(grant_type="password", **CREDENTIALS["administrator"]).json()
    sent = RECORDING["shown_once"]
    headers = {"Idempotency-Key": sent["key"]}
    answer = restarted.send(
        "POST", "/v1/api_keys", administrator["access_token"], json=sent["body"], headers=headers
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "shown_once")


def test_transfer_reversed_before_is_not_reversed_again(restarted: Restarted) -> None:
    answer = restarted.send("POST", f"/v1/transfers/{RECORDING['reversed_transfer']}/reverse")
    assert (answer.status_code, answer.json()["code"]) == (409, "already_reversed")


def test_item_that_breaks_the_kept_schema_is_refused(restarted: Restarted) -> None:
    answer = restarted.send("POST", "/v1/items", json=RECORDING["breaks_the_schema"])
    assert (answer.status_code, answer.json()["code"]) == (422, "schema_mismatch")


# -- the log ---------------------------------------------------------------------------------------


def test_prediction_sent_again_is_a_duplicate(restarted: Restarted) -> None:
    logged = RECORDING["predictions"]["logged"]
    batch = restarted.send("POST", "/v1/predictions/batch", json={"items": logged}).json()
    assert [result["code"] for result in batch["results"]] == ["duplicate"] * len(logged)
    for event in logged:
        answer = restarted.send("POST", "/v1/predictions", json=event)
        assert (answer.status_code, answer.json()["code"]) == (200, "duplicate")


def test_prediction_sent_with_a_change_is_a_conflict(restarted: Restarted) -> None:
    answer = restarted.send("POST", "/v1/predictions", json=RECORDING["predictions"]["changed"])
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")


def test_prediction_older_than_its_kept_rule_is_refused(restarted: Restarted) -> None:
    answer = restarted.send("POST", "/v1/predictions", json=RECORDING["predictions"]["too_old"])
    assert answer.status_code == 422
    assert [error["code"] for error in answer.json()["errors"]] == ["event_expired"]


def test_label_sent_again_changes_nothing(restarted: Restarted) -> None:
    labels = RECORDING["labels"]["told"]
    answer = restarted.send("POST", "/v1/labels/batch", json={"items": labels}).json()
    assert [result["code"] for result in answer["results"]] == ["unchanged"] * len(labels)


def test_label_sent_early_belongs_to_its_late_prediction(restarted: Restarted) -> None:
    early, late = RECORDING["labels"]["early"], RECORDING["labels"]["late"]
    assert restarted.send("POST", "/v1/predictions", json=late).status_code == 201
    read = restarted.send("GET", f"/v1/predictions/{late['prediction_id']}").json()
    found = read["feedback"]
    assert (found["label"], found["source"]) == (early["label"], early["source"])
    assert (found["pending"], len(found["history"])) == (False, 1)


def test_half_sent_after_the_start_completes_its_pair(restarted: Restarted) -> None:
    for pair in RECORDING["cloud_events"]["waiting"]:
        ids, again = pair["prediction_ids"], pair["first"]
        assert send_event(restarted, again) == (202, "waiting", [])
        assert send_event(restarted, pair["second"]) == (201, "created", ids)
        assert send_event(restarted, again) == (200, "duplicate", ids)
        for prediction_id in ids:
            read = restarted.send("GET", f"/v1/predictions/{prediction_id}").json()
            assert (read["model"], read["prediction_id"]) == ("iris", prediction_id)


def test_half_of_a_logged_pair_is_a_duplicate(restarted: Restarted) -> None:
    logged = RECORDING["cloud_events"]["logged"]
    assert send_event(restarted, logged["event"]) == (200, "duplicate", logged["prediction_ids"])


def test_cloud_event_named_by_a_text_keeps_its_id(restarted: Restarted) -> None:
    named = RECORDING["cloud_events"]["named_by_text"]
    assert send_event(restarted, named["event"]) == (200, "duplicate", named["prediction_ids"])


def send_event(restarted: Restarted, event: dict[str, Any]) -> tuple[int, str, list[str]]:
    answer = restarted.send("POST", CLOUD_EVENTS, json=event["body"], headers=event["headers"])
    body = answer.json()
    return answer.status_code, body["code"], body.get("prediction_ids", [])


def test_tail_resumed_by_its_id_shows_what_was_missed(restarted: Restarted) -> None:
    tail = RECORDING["tail"]
    headers = {"Authorization": f"Bearer {OWN}", "Last-Event-ID": tail["last_event_id"]}
    for query in ({"model": tail["model"]}, {}):
        found = list[str]()
        with restarted.client.stream(
            "GET", "/v1/predictions/tail", params=query, headers=headers
        ) as answer:
            assert answer.status_code == 200, answer.read()
            for line in answer.iter_lines():
                if line.startswith("data:"):
                    found.append(json.loads(line.removeprefix("data:"))["prediction_id"])
                # Other tests log other models; so it is over at a silence, or when enough came.
                silent = line.startswith(":") and len(found) >= len(tail["missed"])
                if silent or (not query and len(found) == len(tail["missed"])):
                    break
        assert found == tail["missed"]
