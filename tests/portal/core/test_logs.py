"""Log lines as JSON, with the ids of the request, the session or the action that they are about."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator
from channels.db import database_sync_to_async
from django.db import InterfaceError
from hypothesis import given
from hypothesis import strategies as st

from portal.accounts import services as accounts
from portal.accounts.models import User
from portal.asgi import application
from portal.core.log_ids import WithLogIds, add_log_ids, log_ids
from portal.core.logs import JsonLines, TextLines
from portal.core.security_log import SecurityEvent, record
from portal.events import queries
from portal.mitigations.models import Mitigation
from portal.organizations.models import Organization
from portal.providers.models import Subscription
from portal.signaling.actions import put_request
from portal.signaling.database_threads import DatabaseThreads
from tests.dots_client.authority import Authority
from tests.dots_client.client.provider import Provider, serving
from tests.dots_client.transport.loopback import until
from tests.portal.signaling.conftest import mitigation as mitigation
from tests.portal.signaling.conftest import threads as threads
from tests.portal.signaling.session_managers import db, point_to, running_manager
from tests.sockets import Socket

pytestmark = pytest.mark.sqlite


class Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JsonLines())
        self.addFilter(WithLogIds())
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))

    def of(self, logger: str) -> list[dict[str, Any]]:
        entries = [json.loads(line) for line in self.lines]
        return [one for one in entries if one["logger"].startswith(logger)]


@pytest.fixture
def kept() -> Iterator[Kept]:
    kept = Kept()
    logging.getLogger().addHandler(kept)
    yield kept
    logging.getLogger().removeHandler(kept)


@given(
    message=st.text(),
    fact=st.text(),
    trace=st.text(),
    ids=st.dictionaries(st.sampled_from(["request_id", "organization"]), st.text()),
)
def test_any_text_stays_within_one_line_of_ascii(
    message: str, fact: str, trace: str, ids: dict[str, str]
) -> None:
    line = logging.LogRecord("portal", logging.ERROR, "x.py", 1, "%s", (message,), None)
    line.security_event, line.facts = "sign-in", {"user": fact}
    vars(line)["ids"] = ids
    try:
        raise ValueError(trace)
    except ValueError:
        line.exc_info = sys.exc_info()

    written = JsonLines().format(line)

    assert written.isascii()
    assert len(written.splitlines()) == 1
    entry = json.loads(written)
    assert (entry["message"], entry["event"], entry["facts"]) == (
        message,
        "sign-in",
        {"user": fact},
    )
    assert ids.items() <= entry.items()
    assert entry["exception"].startswith("Traceback")


@given(message=st.text())
def test_a_line_for_people_has_its_zone_and_any_text_stays_in_it(message: str) -> None:
    line = logging.LogRecord("portal", logging.ERROR, "x.py", 1, "%s", (message,), None)
    line.created = 1_764_457_200.5

    written = TextLines("%(asctime)s %(levelname)s %(name)s: %(message)s").format(line)

    assert written.startswith("2025-11-29T23:00:00.500+00:00 ERROR portal: ")
    assert written.isprintable()
    assert len(written.splitlines()) == 1


def test_lines_for_people_keep_their_words_and_tracebacks() -> None:
    line = logging.LogRecord("portal", logging.ERROR, "x.py", 1, "Zoë\nadmin", (), None)
    try:
        raise ValueError("no")
    except ValueError:
        line.exc_info = sys.exc_info()

    first, *trace = TextLines("%(message)s").format(line).splitlines()

    assert first == "Zoë\\nadmin"
    assert (trace[0], trace[-1]) == ("Traceback (most recent call last):", "ValueError: no")


def test_a_json_line_leaves_out_attachments_of_libraries(kept: Kept) -> None:
    logging.getLogger("django.request").warning(
        "Not Found: %s", "/x", extra={"request": "GET /x?token=secret", "status_code": 404}
    )

    [entry] = kept.of("django.request")
    assert entry.keys() == {"time", "level", "logger", "message"}
    assert entry["message"] == "Not Found: /x"


def test_a_security_line_has_its_facts_as_fields(kept: Kept) -> None:
    record(SecurityEvent.SIGN_IN, user="alice", address="192.0.2.1")

    [entry] = kept.of("portal.security")
    assert entry["event"] == "sign-in"
    assert entry["facts"] == {"user": "alice", "address": "192.0.2.1"}


async def get(path: str, token: str = "", **headers: str) -> tuple[int, str]:
    """The status, and the id of the request."""
    named = {"host": "testserver", "authorization": f"Bearer {token}", **headers}
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in named.items()],
        "client": ("127.0.0.1", 1),
    }
    call = ApplicationCommunicator(application, scope)
    await call.send_input({"type": "http.request", "body": b"", "more_body": False})
    answer = await call.receive_output(10)
    while (await call.receive_output(10)).get("more_body"):
        pass
    await call.wait(10)
    return answer["status"], dict(answer["headers"])[b"x-request-id"].decode()


@pytest.mark.django_db(transaction=True)
async def test_the_lines_of_a_request_have_its_id_and_its_organization(
    bob: User, acme: Organization, kept: Kept
) -> None:
    token = (await db(lambda: accounts.issue_token(user=bob, device_name="test"))).plain
    missing = f"/api/v1/organizations/acme/mitigation-requests/{acme.pk}"

    answers = [await get(missing, token) for _ in range(2)]

    assert [status for status, _ in answers] == [404, 404]
    entries = kept.of("django.request")
    assert [one["request_id"] for one in entries] == [request_id for _, request_id in answers]
    assert {one["organization"] for one in entries} == {str(acme.pk)}
    assert answers[0][1] != answers[1][1]


@pytest.mark.django_db(transaction=True)
async def test_ids_end_with_their_request(kept: Kept) -> None:
    await get("/healthz")

    logging.getLogger("portal.after").warning("after the request")

    [entry] = kept.of("portal.after")
    assert "request_id" not in entry


@pytest.mark.django_db(transaction=True)
async def test_a_caller_cannot_choose_the_id_of_a_request() -> None:
    status, request_id = await get("/healthz", **{"x-request-id": "mine"})

    assert status == 200
    assert request_id != "mine"


def test_ids_that_were_added_inside_end_with_the_block(kept: Kept) -> None:
    with log_ids(request_id="outer"):
        with log_ids(mid=7):
            add_log_ids(request_id="inner")
            logging.getLogger("portal.x").warning("inside")
        logging.getLogger("portal.x").warning("outside")

    inside, outside = kept.of("portal.x")
    assert (inside["request_id"], inside["mid"]) == ("inner", 7)
    assert outside["request_id"] == "outer"
    assert "mid" not in outside


async def test_database_threads_log_with_the_ids_of_their_caller(
    threads: DatabaseThreads, kept: Kept
) -> None:
    log = logging.getLogger("portal.thread").warning
    with log_ids(mid=7):
        await threads.run(log, "with an id")
    await threads.run(log, "without")

    assert [one.get("mid") for one in kept.of("portal.thread")] == [7, None]


@pytest.mark.django_db(transaction=True)
async def test_the_lines_of_a_socket_have_its_organization(
    bob: User, acme: Organization, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_away(*_: object, **__: object) -> None:
        raise InterfaceError("no database")

    monkeypatch.setattr(queries, "events_after", is_away)
    token = await database_sync_to_async(accounts.issue_token)(user=bob, device_name="test")
    socket = Socket(token=token.plain)
    await socket.connect()
    await until(lambda: bool(kept.of("portal.realtime")))

    entry = kept.of("portal.realtime")[0]
    assert entry["organization"] == str(acme.pk)
    assert entry["request_id"]


@pytest.mark.django_db(transaction=True)
async def test_the_lines_of_an_action_have_all_ids_of_its_mitigation(
    mitigation: Mitigation,
    acme_northgate: Subscription,
    threads: DatabaseThreads,
    kept: Kept,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def defect(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(put_request, "scope_of", defect)
    authority = Authority()
    async with serving(authority, Provider()) as server:
        await db(lambda: point_to(acme_northgate, server.port, authority, authority.client()))
        async with running_manager(acme_northgate, threads) as manager:
            manager.wake()
            await until(lambda: bool(kept.of("portal.signaling.actions.mitigation_actions")))

    entry = kept.of("portal.signaling.actions.mitigation_actions")[0]
    assert entry["subscription"] == str(acme_northgate.pk)
    assert entry["organization"] == str(mitigation.organization_id)
    assert entry["mid"] == mitigation.mid
    assert "RuntimeError" in entry["exception"]
