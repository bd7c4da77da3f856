from __future__ import annotations

from io import StringIO

import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from django.test import Client

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.audit.models import AuditEntry, Chain
from portal.audit.recording import Object, record_entry
from portal.audit.tasks import verify_chains
from portal.audit.verbs import Verb
from portal.events.acts import ACTS
from portal.events.tasks import audit
from portal.organizations.audit_heads import publish_heads
from portal.organizations.models import Organization
from portal.wording import audit as wording
from tests.conftest import ClientOf
from tests.portal.audit.chains import recorded, tampering

pytestmark = pytest.mark.django_db

PAGE = "/organizations/acme/audit"
API = "/api/v1/organizations/acme/audit"


@pytest.fixture
def some(acme: Organization, globex: Organization, alice: User, dana: User) -> None:
    """Three acts in acme, one in globex."""
    for actor, verb, about in (
        (alice, Verb.PLAN_CHANGED, Object("plan", "p-1", "Shop at night")),
        (dana, Verb.TOKEN_ISSUED, Object("token", "t-1", "laptop <b>")),
        (dana, Verb.TOKEN_ENDED, Object("token", "t-2", "phone")),
    ):
        record_entry(
            verb,
            actor=Actor.person(actor),
            organization_id=acme.pk,
            about=about,
            before={"name": "Old"},
            after={"name": "New"},
        )
    record_entry(
        Verb.TOKEN_ISSUED,
        actor=None,
        organization_id=globex.pk,
        about=Object("token", "g-1", "globex-laptop"),
    )


def test_every_verb_has_words_and_a_filter() -> None:
    known = {*ACTS, *Verb}
    assert known == set(wording.DONE)
    beginnings = tuple(one for _, verbs in wording.FAMILIES.values() for one in verbs)
    assert [one for one in known if not str(one.value).startswith(beginnings)] == []


FILTERED = {
    "": ["phone", "laptop <b>", "Shop at night"],
    "who=dan": ["phone", "laptop <b>"],
    "about=t-1": ["laptop <b>"],
    "about=night": ["Shop at night"],
    "what=tokens": ["phone", "laptop <b>"],
    "what=token.ended": ["phone"],
    "what=nothing-known&when=x&page=9999999999999": ["phone", "laptop <b>", "Shop at night"],
    "when=7&who=alice": ["Shop at night"],
    "who=%00%25_": [],
    "about=globex": [],
}


@pytest.mark.parametrize("query", sorted(FILTERED))
def test_the_address_of_the_page_is_the_filter(
    some: None, alice: User, client_of: ClientOf, query: str
) -> None:
    answer = client_of(alice).get(f"{PAGE}?{query}")

    assert [row.about for row in answer.context["rows"]] == FILTERED[query]
    text = answer.content.decode()
    assert "globex-laptop" not in text
    assert "<b></b>" not in text
    assert "laptop <b>" not in text


def test_the_row_says_what_changed(some: None, alice: User, client_of: ClientOf) -> None:
    row = client_of(alice).get(f"{PAGE}?about=p-1").context["rows"][0]

    assert (row.who, row.done) == ("alice", "Changed a standby plan")
    assert row.details == ["name: Old → New"]


def test_pages_are_read_from_the_database_one_at_a_time(
    alice: User, acme: Organization, client_of: ClientOf
) -> None:
    recorded(acme.pk, 120)
    client, seen, query = client_of(alice), [], "page=1"
    while query:
        context = client.get(f"{PAGE}?{query}").context
        assert len(context["rows"]) <= 50
        seen += [row.about for row in context["rows"]]
        query = context["older"]

    assert seen == [f"plan {number}" for number in range(119, -1, -1)]


@pytest.mark.parametrize(
    ("query", "status", "names"),
    [
        ("", 200, ["phone", "laptop <b>", "Shop at night"]),
        ("?verb=token.&limit=1", 200, ["phone"]),
        ("?since=2999-01-01T00:00:00Z", 200, []),
        ("?until=2999-01-01T00:00:00%2B02:00&who=alice", 200, ["Shop at night"]),
        ("?since=yesterday", 400, None),
        ("?since=2026-01-01T00:00:00", 400, None),
        ("?until=0001-01-01T00:00:00%2B14:00", 400, None),
        ("?who=%00", 400, None),
        ("?limit=1000", 400, None),
    ],
    ids=["all", "verb", "since", "until", "word", "no-zone", "year-1", "nul", "limit"],
)
def test_the_api_filters_and_refuses_what_it_cannot_read(
    some: None, alice: User, client_of: ClientOf, query: str, status: int, names: list[str] | None
) -> None:
    client = client_of(alice)
    answer = client.get(f"{API}{query}")

    assert answer.status_code == status, answer.content
    if names is not None:
        assert [row["object_name"] for row in answer.json()["results"]] == names


def test_a_broken_chain_is_shown_and_fails_the_command(
    alice: User, acme: Organization, globex: Organization, client_of: ClientOf
) -> None:
    ids = recorded(acme.pk, 3)
    head = Chain.objects.get(pk=acme.pk)
    recorded(globex.pk, 1)
    written = StringIO()
    call_command("audit_verify", stdout=written)
    assert "acme: unbroken, head 3:" in written.getvalue()
    call_command("audit_verify", "acme", head=f"3:{head.hash}", stdout=StringIO())
    with pytest.raises(CommandError, match="acme"):
        call_command("audit_verify", "acme", head=f"3:{'0' * 64}", stdout=StringIO())

    with tampering():
        AuditEntry.objects.filter(pk=ids[1]).update(actor_name="mallory")

    with pytest.raises(CommandError, match=r"Broken: acme\."):
        call_command("audit_verify", stdout=StringIO())
    verify_chains()
    page = client_of(alice).get(PAGE).content.decode()
    assert "Entry 2 was changed." in page
    assert "unbroken" not in page
    assert Chain.objects.get(pk=globex.pk).problem is None


def test_the_head_is_logged_and_mailed_to_those_who_want_it(
    alice: User, acme: Organization, client_of: ClientOf, caplog: pytest.LogCaptureFixture
) -> None:
    client: Client = client_of(alice)
    assert client.post(f"{PAGE}/mail", {"mail_to": "no address"}).status_code == 400
    assert client.post(f"{PAGE}/mail", {"mail_to": "x" * 300 + "@example.com"}).status_code == 400
    assert client.post(f"{PAGE}/mail", {"mail_to": "audit@example.com"}).status_code == 302
    audit()
    caplog.clear()

    with caplog.at_level("INFO", logger="portal.security"):
        publish_heads()

    head = Chain.objects.get(pk=acme.pk)
    [sent] = mail.outbox
    assert sent.to == ["audit@example.com"]
    assert head.hash in sent.body
    assert f'audit-head organization="acme" seq="{head.seq}" hash="{head.hash}"' in caplog.text
    changed = AuditEntry.objects.get(verb="audit.mail_changed")
    assert (changed.before, changed.after) == ({"mail_to": ""}, {"mail_to": "audit@example.com"})


def test_staff_read_every_entry_and_cannot_change_one(
    some: None, mo: User, client_of: ClientOf
) -> None:
    staff = client_of(mo)
    url = "/admin/audit/auditentry/"
    page = staff.get(url).content.decode()
    assert "globex-laptop" in page
    entry = AuditEntry.objects.latest("pk")
    assert staff.get(f"{url}{entry.pk}/change/").status_code == 200
    for path in (f"{url}add/", f"{url}{entry.pk}/change/", f"{url}{entry.pk}/delete/"):
        assert staff.post(path, {"verb": "x", "post": "yes"}).status_code == 403
