"""Notes and the responsible person on the pages of requests."""

from __future__ import annotations

import html

import pytest
from django.test import Client

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.events.models import Event, EventType
from portal.mitigations import services
from portal.mitigations.models import MitigationRequest
from portal.mitigations.services.notes import NOTES_PER_WRITER
from portal.mitigations.validation import MAX_NOTE_LENGTH
from portal.organizations.members import remove_member, set_role
from portal.organizations.models import Organization, Role
from tests.conftest import ClientOf
from tests.factories import member
from tests.portal.web.conftest import Ask

NOTE = "Watch <b>port 443</b>\n- 03:00 & later @bob"


@pytest.fixture
def asked(ask: Ask) -> MitigationRequest:
    return ask()


def url_of(asked: MitigationRequest, end: str = "") -> str:
    return f"/organizations/acme/requests/{asked.pk}{end}"


def text_of(client: Client, url: str) -> str:
    answer = client.get(url)
    assert answer.status_code == 200
    return answer.content.decode()


def notes() -> list[str]:
    events = Event.objects.filter(type=EventType.REQUEST_NOTE)
    return [event.data["text"] for event in events]


def test_a_note_is_on_the_page_on_now_and_in_the_report_as_plain_text(
    asked: MitigationRequest, dana: User, bob: User, client_of: ClientOf
) -> None:
    answer = client_of(dana).post(url_of(asked, "/notes"), {"text": NOTE, "key": "k"})
    reader = client_of(bob)

    assert answer.status_code == 302
    for url in (url_of(asked), url_of(asked, "/report")):
        page = text_of(reader, url)
        assert "dana wrote a note." in page
        assert html.escape(NOTE) in page
        assert "<b>port" not in page
    now = text_of(reader, "/organizations/acme/")
    assert html.escape("Watch <b>port 443</b> - 03:00 & later @bob") in now
    report = text_of(reader, url_of(asked, "/report.txt"))
    assert "dana wrote a note. Watch <b>port 443</b>\n  - 03:00 & later @bob" in report


def test_now_counts_the_earlier_notes(
    asked: MitigationRequest, dana: User, client_of: ClientOf
) -> None:
    for text in ("one", "two", "three " * 100):
        services.add_note(
            organization=asked.organization,
            request_id=asked.pk,
            actor=Actor.person(dana),
            text=text,
        )

    page = text_of(client_of(dana), "/organizations/acme/")

    assert "(2 earlier)" in page
    assert "three three…" in page
    assert page.count("three") < 30


def test_the_same_form_sent_twice_writes_one_note(
    asked: MitigationRequest, dana: User, client_of: ClientOf
) -> None:
    client, form = client_of(dana), {"text": "Watch port 443.", "key": "k"}

    answers = [client.post(url_of(asked, "/notes"), form) for _ in range(2)]
    other = client.post(url_of(asked, "/notes"), form | {"text": "Another"})
    again = client.post(
        url_of(asked, "/notes"), {"text": "Another", "key": other.context["note"].key}
    )

    assert [one.status_code for one in (*answers, other, again)] == [302, 302, 422, 302]
    assert notes() == ["Watch port 443.", "Another"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("@bob look", ""),
        ("mail bob@acme.example", ""),
        ("@Bod. Look", " @bod is no member of Acme, and got no notice."),
        (
            "@bob @charlie @zed @zed",
            " @charlie and @zed are no members of Acme, and got no notice.",
        ),
        (f"@{'x' * 300}", ""),
    ],
)
def test_the_page_names_each_unknown_name_of_a_saved_note(
    asked: MitigationRequest,
    dana: User,
    bob: User,
    charlie: User,
    client_of: ClientOf,
    text: str,
    said: str,
) -> None:
    """As if no one had that name: charlie belongs to another organization."""
    answer = client_of(dana).post(url_of(asked, "/notes"), {"text": text, "key": "k"}, follow=True)

    assert [str(one) for one in answer.context["messages"]] == [f"Your note is saved.{said}"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Write a note."),
        ("x" * (MAX_NOTE_LENGTH + 1), "at most 2,000 are allowed."),
        ("a\x07b", "contains characters that are not allowed."),
    ],
)
def test_a_refused_note_stays_in_the_form(
    asked: MitigationRequest, dana: User, client_of: ClientOf, text: str, said: str
) -> None:
    answer = client_of(dana).post(url_of(asked, "/notes"), {"text": text, "key": "k"})

    assert answer.status_code == 400
    page = answer.content.decode()
    assert "<title>Error: " in page
    assert said in page
    assert f">{text}</textarea>" in page
    assert notes() == []


def test_too_many_notes_in_a_minute_stay_in_the_form(
    asked: MitigationRequest, dana: User, client_of: ClientOf
) -> None:
    client = client_of(dana)
    for number in range(NOTES_PER_WRITER.tries):
        client.post(url_of(asked, "/notes"), {"text": f"note {number}", "key": f"{number}"})

    answer = client.post(url_of(asked, "/notes"), {"text": "one more", "key": "k"})

    assert answer.status_code == 429
    assert ">one more</textarea>" in answer.content.decode()


def test_everyone_sees_who_is_responsible(
    asked: MitigationRequest, dana: User, bob: User, client_of: ClientOf
) -> None:
    reader = client_of(bob)
    before = text_of(reader, url_of(asked))

    writer = client_of(dana)
    answer = writer.post(url_of(asked, "/take-over"))

    assert answer.status_code == 302
    assert '<div class="note is-info' in text_of(writer, url_of(asked)), "no warning"
    assert "No one has taken this request over." in before
    for url in (url_of(asked), "/organizations/acme/"):
        assert "Responsible: <b>dana</b>" in text_of(reader, url)
    assert "dana took over the request." in text_of(reader, url_of(asked))
    assert "- Responsible: dana, since 20" in text_of(reader, url_of(asked, "/report.txt"))


@pytest.mark.parametrize("leaves", ["removed", "deactivated"])
def test_no_one_is_responsible_after_a_member_left_and_the_pages_say_who_it_was(
    asked: MitigationRequest, alice: User, dana: User, client_of: ClientOf, leaves: str
) -> None:
    client_of(dana).post(url_of(asked, "/take-over"))
    if leaves == "removed":
        remove_member(organization=asked.organization, user=dana, actor=alice)
    else:
        User.objects.filter(pk=dana.pk).update(is_active=False)
    reader = client_of(alice)

    page, now = text_of(reader, url_of(asked)), text_of(reader, "/organizations/acme/")
    parts = reader.get(f"{url_of(asked)}?parts=responsible", headers={"HX-Request": "true"})

    for said in (page, parts.content.decode()):
        assert "No one is responsible." in said
        assert "dana, who took it over" in said
    assert "No one is responsible: dana is no member any more" in now
    report = text_of(reader, url_of(asked, "/report.txt"))
    assert "- Responsible: no one. dana took it over 20" in report
    assert "No one. dana took it over" in text_of(reader, url_of(asked, "/report"))


def test_a_member_of_another_organization_alone_is_not_responsible(
    asked: MitigationRequest, alice: User, dana: User, globex: Organization, client_of: ClientOf
) -> None:
    client_of(dana).post(url_of(asked, "/take-over"))
    set_role(organization=globex, user=dana, role=Role.ADMIN)
    remove_member(organization=asked.organization, user=dana, actor=alice)

    assert "No one is responsible." in text_of(client_of(alice), url_of(asked))


def test_take_over_is_hidden_from_the_responsible_person(
    asked: MitigationRequest, alice: User, dana: User, client_of: ClientOf
) -> None:
    own, other = client_of(dana), client_of(alice)
    own.post(url_of(asked, "/take-over"))

    def is_offered(reader: Client, query: str = "") -> bool:
        answer = reader.get(url_of(asked, query), headers={"HX-Request": "true"} if query else {})
        form = answer.content.decode().partition('/take-over"')[2].partition(">")[0]
        assert form
        return form.split()[-1:] != ["hidden"]

    assert not is_offered(own)
    assert is_offered(other)
    # Both read the same rendered part.
    assert not is_offered(own, "?parts=responsible")
    assert is_offered(other, "?parts=responsible")
    erin = client_of(member("erin", asked.organization, Role.OPERATOR))
    assert is_offered(erin, "?parts=responsible")
    assert not is_offered(own, "?parts=responsible")


def test_a_viewer_reads_and_has_no_form(
    asked: MitigationRequest, bob: User, client_of: ClientOf
) -> None:
    page = text_of(client_of(bob), url_of(asked))

    assert "Write a note" not in page
    assert "Take over" not in page


def test_the_parts_of_the_page_show_a_new_note_and_leave_the_form_alone(
    asked: MitigationRequest, dana: User, client_of: ClientOf
) -> None:
    client = client_of(dana)
    client.post(url_of(asked, "/notes"), {"text": "Watch port 443.", "key": "k"})
    client.post(url_of(asked, "/take-over"))

    parts = client.get(
        f"{url_of(asked)}?parts=time,responsible,say,side", headers={"HX-Request": "true"}
    ).content.decode()

    assert "Watch port 443." in parts
    assert "Responsible: <b>dana</b>" in parts
    assert "<textarea" not in parts
