from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from portal.accounts.models import User
from portal.organizations.models import Membership, Organization

PASSWORD = "wet-otter-climbs-7-hills"


def add(monkeypatch: pytest.MonkeyPatch, *arguments: str, password: str = PASSWORD) -> str:
    monkeypatch.setattr("sys.stdin", StringIO(password))
    said = StringIO()
    call_command("add_person", *arguments, stdout=said)
    return said.getvalue()


def test_the_first_staff_member_is_added_from_a_shell(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert add(monkeypatch, "--count-staff") == "0\n"

    said = add(monkeypatch, "root", "--staff", password=f"{PASSWORD}\n")

    root = User.objects.get()
    assert (root.username, root.is_staff, root.is_superuser) == ("root", True, True)
    assert root.check_password(PASSWORD)
    assert PASSWORD not in said
    assert add(monkeypatch, "--count-staff") == "1\n"


@pytest.mark.parametrize(
    ("name", "password", "reason"),
    [
        ("root", "", "too short"),
        ("root", "short", "too short"),
        ("root", "password12345", "too common"),
        ("a person of ours", PASSWORD, "Enter a valid username"),
        ("x" * 151, PASSWORD, "150 characters"),
        ("alice", PASSWORD, "already exists"),
    ],
)
def test_the_command_refuses_what_the_staff_site_refuses(
    alice: User, monkeypatch: pytest.MonkeyPatch, name: str, password: str, reason: str
) -> None:
    with pytest.raises(CommandError, match=reason):
        add(monkeypatch, name, "--staff", password=password)

    assert User.objects.get() == alice


def test_a_member_is_added_from_a_shell(bob: User, globex: Organization) -> None:
    call_command("add_member", globex.slug, bob.username, "--role", "admin", stdout=StringIO())

    assert Membership.objects.get(organization=globex, user=bob).role == "admin"


@pytest.mark.parametrize(("slug", "name"), [("nobody", "bob"), ("globex", "nobody")])
def test_an_unknown_member_or_organization_is_named(
    bob: User, globex: Organization, slug: str, name: str
) -> None:
    with pytest.raises(CommandError, match="nobody"):
        call_command("add_member", slug, name)
