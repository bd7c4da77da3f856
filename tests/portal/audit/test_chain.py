from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.db import DatabaseError, transaction
from django.db.models import F
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from portal.accounts.actors import Actor
from portal.audit.chain import FIRST, canonical, digest_of, hash_of
from portal.audit.models import PORTAL_CHAIN, AuditEntry, Chain, Cut, Seal
from portal.audit.recording import record_entry
from portal.audit.retention import cut
from portal.audit.sealing import seal_all
from portal.audit.verbs import Verb
from portal.audit.verification import PATIENCE, Fault, verify
from tests.portal.audit.chains import recorded, tampering

ONE = UUID(int=1)
OTHER = UUID(int=2)
database = pytest.mark.usefixtures("db")


def test_the_encoding_of_version_1_never_changes() -> None:
    content = {
        "organization_id": ONE,
        "at": datetime(2026, 11, 29, 3, 4, 5, 6, tzinfo=UTC),
        "after": {"\U0001f600": 1, "\ufb33": [True, None, "é\n\x1f"], "a": 2**53 - 1},
    }

    assert canonical(content).decode() == (
        '{"after":{"a":9007199254740991,"\U0001f600":1,"\ufb33":[true,null,"é\\n\\u001f"]},'
        '"at":"2026-11-29T03:04:05.000006Z",'
        '"organization_id":"00000000-0000-0000-0000-000000000001"}'
    )
    assert digest_of(content, 1) == (
        hashlib.sha256(
            canonical(content)[:-1] + b',"version":1}',
        ).hexdigest()
    )
    lines = f"{FIRST}\n{ONE}\n1\nabc\n".encode()
    assert (
        hash_of(previous=FIRST, organization_id=ONE, seq=1, digest="abc")
        == hashlib.sha256(lines).hexdigest()
    )


json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(st.dictionaries(st.text(), json, max_size=3), st.dictionaries(st.text(), json, max_size=3))
def test_different_values_have_different_bytes(one: dict, other: dict) -> None:  # type: ignore[type-arg]
    def bytes_of(value: dict) -> bytes:  # type: ignore[type-arg]
        try:
            return canonical(value)
        except UnicodeEncodeError:  # a lone surrogate, which recording replaces
            return repr(value).encode("unicode_escape")

    assert (bytes_of(one) == bytes_of(other)) == (repr_of(one) == repr_of(other))


def repr_of(value: object) -> object:
    """Equality that tells 1 from true, without the order of names."""
    if isinstance(value, dict):
        return frozenset((name, repr_of(one)) for name, one in value.items())
    if isinstance(value, list):
        return tuple(map(repr_of, value))
    return type(value), value


@database
def test_an_untouched_chain_is_unbroken_and_has_no_gap() -> None:
    recorded(ONE, 3)
    recorded(OTHER, 2)
    recorded(ONE, 2)

    seals = Seal.objects.filter(organization_id=ONE).order_by("seq")
    assert [one.seq for one in seals] == [1, 2, 3, 4, 5]
    assert verify(ONE) is None
    assert verify(OTHER) is None
    assert verify(PORTAL_CHAIN) is None


def change(**values: object) -> Callable[[list[int]], None]:
    return lambda ids: _update(ids[2], **values)


def _update(entry: int, **values: object) -> None:
    AuditEntry.objects.filter(pk=entry).update(**values)


def _swap_entries(ids: list[int]) -> None:
    """Exchange two rows' ids."""
    AuditEntry.objects.filter(pk=ids[2]).update(id=10**9)
    AuditEntry.objects.filter(pk=ids[5]).update(id=ids[2])
    AuditEntry.objects.filter(pk=10**9).update(id=ids[5])


def _swap_contents(ids: list[int]) -> None:
    one, other = (AuditEntry.objects.get(pk=ids[at]) for at in (2, 5))
    AuditEntry.objects.filter(pk=one.pk).update(**other.content())
    AuditEntry.objects.filter(pk=other.pk).update(**one.content())


def _swap_places(ids: list[int]) -> None:
    for seq, to in ((3, 10**6), (6, 3), (10**6, 6)):
        Seal.objects.filter(organization_id=ONE, seq=seq).update(seq=to)


def _swap_seals(ids: list[int]) -> None:
    for entry, to in ((ids[2], 10**9), (ids[5], ids[2]), (10**9, ids[5])):
        Seal.objects.filter(entry_id=entry).update(entry_id=to)


def _delete_both(ids: list[int]) -> None:
    AuditEntry.objects.filter(pk=ids[2]).delete()
    Seal.objects.filter(entry_id=ids[2]).delete()


def _delete_tail(ids: list[int]) -> None:
    AuditEntry.objects.filter(pk__in=ids[2:]).delete()
    Seal.objects.filter(entry_id__in=ids[2:]).delete()


TAMPERED: dict[str, tuple[Callable[[list[int]], object], Fault]] = {
    "a letter of a name": (change(actor_name="mallory"), Fault.CHANGED),
    "the time": (
        lambda ids: _update(ids[2], at=F("at") + timedelta(microseconds=1)),
        Fault.CHANGED,
    ),
    "a value": (change(after={"role": "viewer"}), Fault.CHANGED),
    "null to an empty object": (change(before={}), Fault.CHANGED),
    "the address": (change(address="192.0.2.1"), Fault.CHANGED),
    "the organization": (change(organization_id=OTHER), Fault.CHANGED),
    "a digest": (
        lambda ids: Seal.objects.filter(entry_id=ids[2]).update(digest="0" * 64),
        Fault.CHANGED,
    ),
    "a hash": (
        lambda ids: Seal.objects.filter(entry_id=ids[2]).update(hash="0" * 64),
        Fault.CHANGED,
    ),
    "the version": (
        lambda ids: Seal.objects.filter(entry_id=ids[2]).update(version=2),
        Fault.CHANGED,
    ),
    "an entry without its seal": (
        lambda ids: AuditEntry.objects.filter(pk=ids[2]).delete(),
        Fault.DELETED,
    ),
    "a seal without its entry": (
        lambda ids: Seal.objects.filter(entry_id=ids[2]).delete(),
        Fault.DELETED,
    ),
    "both": (_delete_both, Fault.DELETED),
    "everything from there": (_delete_tail, Fault.DELETED),
    "ids of two entries": (_swap_entries, Fault.SWAPPED),
    "contents of two entries": (_swap_contents, Fault.SWAPPED),
    "places of two seals": (_swap_places, Fault.SWAPPED),
    "entries of two seals": (_swap_seals, Fault.SWAPPED),
}


@database
@pytest.mark.parametrize("what", sorted(TAMPERED))
def test_every_kind_of_tampering_is_found_and_named_at_its_row(what: str) -> None:
    ids = recorded(ONE, 8)
    recorded(OTHER, 2)
    tamper, fault = TAMPERED[what]

    with tampering():
        tamper(ids)

    found = verify(ONE)
    assert found is not None
    assert (found.fault, found.seq) == (fault, 3)
    assert found.other == (6 if fault is Fault.SWAPPED else None)
    assert verify(OTHER) is None


@database
def test_a_chain_that_was_rewritten_as_a_whole_differs_from_the_customers_head() -> None:
    ids = recorded(ONE, 4)
    head = Chain.objects.get(pk=ONE)

    with tampering():
        _update(ids[1], actor_name="mallory")
        Seal.objects.all().delete()
        Chain.objects.filter(pk=ONE).update(seq=0, hash="")
    seal_all()

    assert verify(ONE) is None
    found = verify(ONE, head=(head.seq, head.hash))
    assert found is not None
    assert (found.fault, found.seq) == (Fault.REWRITTEN, 4)


@database
def test_an_entry_without_a_seal_is_a_problem_after_a_while() -> None:
    entry = record_entry(Verb.SIGNED_IN, actor=Actor.portal(), organization_id=ONE)
    assert verify(ONE) is None

    with tampering():
        _update(entry.pk, at=timezone.now() - PATIENCE)

    found = verify(ONE)
    assert found is not None
    assert (found.fault, found.entry) == (Fault.UNSEALED, entry.pk)


@database
def test_a_cut_removes_the_old_beginning_and_the_rest_stays_verifiable() -> None:
    ids = recorded(ONE, 6)
    old = timezone.now() - timedelta(days=800)
    with tampering():
        _age(ids[:4], old)

    removed = cut(ONE, before=timezone.now() - timedelta(days=730))
    seal_all()

    assert removed == 4
    assert verify(ONE) is None
    left = AuditEntry.objects.filter(organization_id=ONE).order_by("pk")
    assert [one.verb for one in left] == ["plan.changed", "plan.changed", "audit.cut"]
    assert left[2].after == {
        "through_seq": 4,
        "hash": Cut.objects.get().hash,
        "entries": 4,
    }
    assert cut(ONE, before=timezone.now() - timedelta(days=730)) == 0


@database
def test_young_rows_cannot_be_deleted_even_if_a_cut_says_so() -> None:
    recorded(ONE, 3)
    Cut.objects.create(organization_id=ONE, through_seq=3, hash=FIRST, at=timezone.now())

    for rows in (AuditEntry.objects.all(), Seal.objects.all()):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            rows.delete()


def _age(ids: list[int], at: datetime) -> None:
    """Make entries old, and seal all again as it would have been then."""
    AuditEntry.objects.filter(pk__in=ids).update(at=at)
    Seal.objects.all().delete()
    Chain.objects.all().update(seq=0, hash="")
    seal_all()
    Seal.objects.filter(entry_id__in=ids).update(sealed_at=at)
