"""Notes on requests: who may write them, the members that they mention, and their limits."""

from __future__ import annotations

from uuid import UUID

import pytest

from portal.accounts.actors import Actor, ActorKind
from portal.accounts.models import User
from portal.audit.models import AuditEntry
from portal.core.errors import (
    Conflict,
    IdempotencyKeyReused,
    Invalid,
    NotAllowed,
    NotFound,
    Throttled,
)
from portal.events.acts import record_acts
from portal.events.models import Event, EventType
from portal.mitigations import services
from portal.mitigations.models import EndedBy, MitigationRequest
from portal.mitigations.notes import Note, latest_notes
from portal.mitigations.services import notes
from portal.mitigations.services.notes import MAX_MENTIONED, MAX_NOTES, NOTES_PER_WRITER
from portal.mitigations.states import RequestStatus
from portal.mitigations.validation import MAX_NOTE_LENGTH
from portal.organizations.models import Organization, Role
from tests.factories import member, service_token
from tests.portal.mitigations.conftest import Submit


@pytest.fixture
def asked(submit: Submit) -> MitigationRequest:
    return submit()


def write(asked: MitigationRequest, user: User | Actor, text: str, key: str = "") -> Event:
    return services.add_note(
        organization=asked.organization,
        request_id=asked.pk,
        actor=user if isinstance(user, Actor) else Actor.person(user),
        text=text,
        key=key,
    )


def texts(asked: MitigationRequest) -> list[str]:
    events = Event.objects.filter(request_id=asked.pk, type=EventType.REQUEST_NOTE)
    return [event.data["text"] for event in events]


def code_of(error: Invalid) -> str:
    return error.errors[0].code


def test_a_note_is_an_event_that_names_its_writer(asked: MitigationRequest, dana: User) -> None:
    event = write(asked, dana, "  watch port 443\r\nand 8443  ")

    saved = Note.of(Event.objects.get(pk=event.pk))
    assert (saved.by, saved.origin, saved.text) == ("dana", "person", "watch port 443\nand 8443")
    assert saved == Note.of(event)
    assert event.actor == dana


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "required"),
        (" \r\n ", "required"),
        ("x" * (MAX_NOTE_LENGTH + 1), "too-long"),
        ("a\0b", "odd-characters"),
        ("a\x1b[31mb", "odd-characters"),
        ("a\ud800b", "odd-characters"),
    ],
)
def test_a_text_that_is_no_note_is_refused(
    asked: MitigationRequest, dana: User, text: str, code: str
) -> None:
    with pytest.raises(Invalid) as raised:
        write(asked, dana, text)

    assert code_of(raised.value) == code
    assert texts(asked) == []


def test_the_longest_note_is_saved(asked: MitigationRequest, dana: User) -> None:
    write(asked, dana, "é" * MAX_NOTE_LENGTH)

    assert texts(asked) == ["é" * MAX_NOTE_LENGTH]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("@bob look", ["bob"]),
        ("ask @Bob, then @dana.", ["bob", "dana"]),
        ("@dana @bob @dana", ["dana", "bob"]),
        ("(@bob) @bob!", ["bob"]),
        ("mail bob@acme.example or @ bob", []),
        ("@nobody and @charlie of another organization", []),
        ("@mo of the staff", []),
        ("@gone has no account any more", []),
        ("@e.v.e. and @e.v.e", ["e.v.e"]),
    ],
)
def test_a_note_mentions_members_and_no_one_else(
    asked: MitigationRequest,
    alice: User,
    bob: User,
    dana: User,
    charlie: User,
    mo: User,
    text: str,
    named: list[str],
) -> None:
    member("e.v.e", asked.organization, Role.VIEWER)
    User.objects.filter(pk=member("gone", asked.organization, Role.VIEWER).pk).update(
        is_active=False
    )

    event = write(asked, alice, text)

    ids = [str(User.objects.get(username=name).pk) for name in named]
    assert event.data["mentioned"] == ids
    assert event.data["text"] == text


def test_a_note_mentions_a_limited_number_of_members(asked: MitigationRequest, alice: User) -> None:
    people = [member(f"p{n}", asked.organization, Role.VIEWER) for n in range(MAX_MENTIONED + 1)]
    everyone = [f"@{one.username}" for one in people]

    write(asked, alice, " ".join(everyone[1:]))
    with pytest.raises(Invalid) as raised:
        write(asked, alice, " ".join(everyone))

    assert code_of(raised.value) == "too-many-mentioned"
    assert len(texts(asked)) == 1


def test_a_request_takes_a_limited_number_of_notes(
    asked: MitigationRequest, dana: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MAX_NOTES == 500
    monkeypatch.setattr(notes, "MAX_NOTES", 2)
    for text in ("one", "two"):
        write(asked, dana, text, key=text)

    with pytest.raises(Conflict) as raised:
        write(asked, dana, "three")

    assert raised.value.code == "too-many-notes"
    assert write(asked, dana, "two", key="two").data["text"] == "two"
    assert texts(asked) == ["one", "two"]


def test_a_person_writes_a_limited_number_of_notes_in_one_minute(
    asked: MitigationRequest, dana: User, alice: User
) -> None:
    for number in range(NOTES_PER_WRITER.tries):
        write(asked, dana, f"note {number}")

    with pytest.raises(Throttled):
        write(asked, dana, "one more")

    write(asked, alice, "another person")
    assert len(texts(asked)) == NOTES_PER_WRITER.tries + 1


def test_a_repeated_call_returns_the_first_note(asked: MitigationRequest, dana: User) -> None:
    first = write(asked, dana, "watch port 443", key="k1")
    again = write(asked, dana, "watch port 443", key="k1")

    assert again.pk == first.pk
    assert texts(asked) == ["watch port 443"]
    with pytest.raises(IdempotencyKeyReused):
        write(asked, dana, "watch port 80", key="k1")


def test_a_request_that_has_ended_takes_notes_and_a_responsible_person(
    asked: MitigationRequest, dana: User
) -> None:
    MitigationRequest.objects.update(status=RequestStatus.TERMINATED, ended_by=EndedBy.PERSON)

    write(asked, dana, "It began at the cache.")
    taken = services.take_over(request_id=asked.pk, actor=Actor.person(dana))

    assert texts(asked) == ["It began at the cache."]
    assert taken.responsible == dana
    assert taken.status == RequestStatus.TERMINATED


def test_only_members_who_may_operate_write(
    asked: MitigationRequest, bob: User, charlie: User
) -> None:
    for user, refusal in ((bob, NotAllowed), (charlie, NotFound)):
        with pytest.raises(refusal):
            write(asked, user, "x")
        with pytest.raises(refusal):
            services.take_over(request_id=asked.pk, actor=Actor.person(user))

    assert texts(asked) == []
    assert MitigationRequest.objects.get().responsible is None


def test_a_program_writes_notes_and_is_never_responsible(
    asked: MitigationRequest, acme: Organization
) -> None:
    token, _ = service_token(acme, role=Role.OPERATOR)
    program = Actor.service_token(token.pk, token.name)

    note = Note.of(write(asked, program, "The link is 80 % full."))
    with pytest.raises(NotAllowed) as raised:
        services.take_over(request_id=asked.pk, actor=program)

    assert raised.value.code == "persons-only"
    assert (note.origin, note.by) == (ActorKind.SERVICE_TOKEN, f"the token ‘{token.name}’")


def test_the_last_person_who_takes_over_is_responsible(
    asked: MitigationRequest, dana: User, alice: User
) -> None:
    for user in (dana, dana, alice):
        services.take_over(request_id=asked.pk, actor=Actor.person(user))

    asked.refresh_from_db()
    events = Event.objects.filter(type=EventType.REQUEST_TAKEN_OVER)
    assert (asked.responsible, asked.responsible_since) == (alice, events[1].at)
    assert [one.data["changed"]["responsible"] for one in events] == [
        {"from": "", "to": "dana"},
        {"from": "dana", "to": "alice"},
    ]


def test_the_audit_has_every_note_and_every_responsible_person(
    asked: MitigationRequest, dana: User, alice: User
) -> None:
    write(asked, dana, "watch port 443")
    services.take_over(request_id=asked.pk, actor=Actor.person(dana))
    services.take_over(request_id=asked.pk, actor=Actor.person(alice))
    record_acts()

    note = AuditEntry.objects.get(verb=EventType.REQUEST_NOTE)
    taken = AuditEntry.objects.filter(verb=EventType.REQUEST_TAKEN_OVER).order_by("event_seq")
    assert (note.actor_name, (note.after or {})["text"]) == ("dana", "watch port 443")
    assert note.object_id == str(asked.pk)
    assert [(one.before, one.after) for one in taken] == [
        ({"responsible": ""}, {"responsible": "dana"}),
        ({"responsible": "dana"}, {"responsible": "alice"}),
    ]


def test_the_newest_note_of_each_request_is_found_in_one_statement(
    asked: MitigationRequest,
    submit: Submit,
    dana: User,
    django_assert_num_queries: pytest.FixtureRequest,
) -> None:
    quiet = submit(prefixes=("203.0.113.9/32",), resources=())
    for text in ("one", "two", "three"):
        write(asked, dana, text)

    with django_assert_num_queries(1):  # type: ignore[operator]  # pytest-django's fixture
        found = latest_notes([asked.pk, quiet.pk])
    with django_assert_num_queries(0):  # type: ignore[operator]
        none = latest_notes([])

    assert set(found) == {asked.pk}
    assert (found[asked.pk].note.text, found[asked.pk].count) == ("three", 3)
    assert none == {}
    assert UUID(found[asked.pk].note.id)
