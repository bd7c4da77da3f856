"""The live mitigations in memory: what wake-ups, reads and comparisons make of them."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from uuid import UUID, uuid4

import pytest
from django.utils import timezone

from dots_client import MitigationReport, MitigationStatus
from portal.mitigations.models import Mitigation
from portal.mitigations.row_version import RowVersion
from portal.mitigations.states import Status
from portal.signaling.mapping import provider_report
from portal.signaling.owned_mitigations import OwnedMitigations, note_numbers

SUBSCRIPTION = uuid4()
NOW = timezone.now()


def row_of(mid: int, **columns: object) -> Mitigation:
    return Mitigation(
        pk=uuid4(), subscription_id=SUBSCRIPTION, mid=mid, asked_at=NOW, status=Status.IN_PROGRESS,
        **columns,
    )  # fmt: skip


def having(*rows: Mitigation) -> OwnedMitigations:
    """Everything was read, and nothing changed since."""
    owned = OwnedMitigations(SUBSCRIPTION)
    owned.begin_read()
    owned.read(rows, at=0.0)
    owned.take_changed()
    return owned


def version_of(row: Mitigation) -> RowVersion:
    return RowVersion(row.pk, SUBSCRIPTION, row.version, row.expires_at)


def test_a_claimed_subscription_is_read_in_full() -> None:
    owned = OwnedMitigations(SUBSCRIPTION)
    assert not owned.is_current

    assert owned.begin_read().everything
    assert not owned.is_current
    rows = [row_of(2), row_of(1)]
    owned.read(rows, at=7.0)

    assert owned.is_current
    assert [row.mid for row in owned.rows.values()] == [1, 2]
    assert owned.take_changed() == {row.pk for row in rows}
    assert owned.read_at(rows[0].pk) == 7.0


def test_a_wake_up_that_names_a_row_reads_only_that_row() -> None:
    one, other = row_of(1), row_of(2)
    owned = having(one, other)
    owned.changed({other.pk})
    owned.changed({other.pk})

    unread = owned.begin_read()
    assert (unread.everything, unread.mitigations) == (False, {other.pk})
    fresh = copy(other)
    fresh.status = Status.MITIGATING
    owned.read([fresh], at=1.0)

    assert list(owned.rows.values()) == [one, fresh]
    assert owned.take_changed() == {other.pk}
    assert (owned.read_at(one.pk), owned.read_at(other.pk)) == (0.0, 1.0)


def test_a_row_that_is_not_found_is_not_live() -> None:
    gone, new = row_of(1), row_of(2)
    owned = having(gone)
    owned.changed({gone.pk, new.pk})
    owned.begin_read()
    owned.read([new], at=1.0)

    assert list(owned.rows.values()) == [new]
    assert owned.take_changed() == {gone.pk, new.pk}


@pytest.mark.parametrize("is_all", [False, True])
def test_a_failed_read_is_repeated_with_what_was_named_since(*, is_all: bool) -> None:
    first, second = row_of(1), row_of(2)
    owned = having(first, second)
    owned.changed(None if is_all else {first.pk})
    owned.begin_read()
    owned.changed({second.pk})

    owned.not_read()

    unread = owned.begin_read()
    assert unread.everything == is_all
    assert unread.mitigations >= {second.pk}


def test_a_row_named_during_a_read_is_read_again() -> None:
    row = row_of(1)
    owned = having(row)
    owned.changed({row.pk})
    owned.begin_read()
    owned.changed({row.pk})
    owned.read([row], at=1.0)

    assert not owned.is_current
    assert owned.begin_read().mitigations == {row.pk}


@pytest.mark.parametrize("are_all", [False, True])
def test_a_comparison_finds_what_a_lost_wake_up_left(*, are_all: bool) -> None:
    same, changed, gone, moved = (row_of(mid, expires_at=NOW) for mid in (1, 2, 3, 4))
    owned = having(same, changed, gone, moved)
    new = row_of(5)
    later = version_of(moved)._replace(expires_at=NOW + timedelta(minutes=1))
    versions = [version_of(same), version_of(changed)._replace(version=1), version_of(new), later]

    found = owned.outdated(versions, are_all=are_all)

    assert found == {changed.pk, new.pk, moved.pk} | ({gone.pk} if are_all else set())


def test_a_version_that_was_read_before_the_row_is_not_newer() -> None:
    row = row_of(1, version=3)
    owned = having(row)

    assert owned.outdated([version_of(row)._replace(version=2)], are_all=True) == set()


@pytest.mark.parametrize("is_all", [False, True])
def test_a_row_that_was_saved_during_a_read_is_kept(*, is_all: bool) -> None:
    row = row_of(1, version=2, last_heard_at=NOW)
    row.status = Status.PENDING
    owned = having(row)
    before = copy(row)
    owned.changed(None if is_all else {row.pk})
    owned.begin_read()
    row.status, row.version = Status.IN_PROGRESS, 3

    owned.read([before], at=1.0)

    assert owned.rows[row.pk] is row
    assert owned.is_current


def test_a_report_in_memory_is_not_forgotten_for_an_older_row() -> None:
    row = row_of(1, last_heard_at=NOW)
    owned = having(row)
    row.last_heard_at = NOW + timedelta(seconds=9)
    owned.changed()
    owned.begin_read()
    owned.read([row_of(2), copy_of(row, last_heard_at=NOW)], at=1.0)

    assert owned.rows[row.pk].last_heard_at == NOW + timedelta(seconds=9)


def copy_of(row: Mitigation, **columns: object) -> Mitigation:
    copied = copy(row)
    for name, value in columns.items():
        setattr(copied, name, value)
    return copied


def test_reported_numbers_are_those_of_a_row_that_is_read_again() -> None:
    row = row_of(1, bytes_dropped=1, expires_at=NOW)
    report = MitigationReport(
        mid=1, status=MitigationStatus.MITIGATING, lifetime=600, bytes_dropped=2**64 - 1
    )

    note_numbers(row, provider_report(report), NOW, NOW)

    assert (row.reported_at, row.counters_at) == (NOW, NOW)
    assert (row.expires_at, row.bytes_dropped) == (NOW + timedelta(seconds=600), 2**63 - 1)


@dataclass
class Database:
    """Rows that change, wake-ups that are lost, repeated or late, and reads that fail."""

    chance: Random
    rows: dict[UUID, Mitigation] = field(default_factory=dict)
    waking: list[UUID | None] = field(default_factory=list)

    def change(self) -> None:
        pk = self.chance.choice([None, *self.rows])
        if pk is None:
            row = row_of(self.chance.randrange(10**6))
            self.rows[row.pk] = row
            pk = row.pk
        elif self.chance.random() < 0.2:
            del self.rows[pk]
        else:
            self.rows[pk] = copy_of(self.rows[pk], version=self.rows[pk].version + 1)
        self.waking += self.chance.choice([[], [pk], [pk], [pk, pk], [None]])
        self.chance.shuffle(self.waking)

    def confirm(self, owned: OwnedMitigations) -> None:
        """Save a change of the worker, in memory too."""
        current = [pk for pk, row in owned.rows.items() if self.rows.get(pk) == row]
        current = [pk for pk in current if self.rows[pk].version == owned.rows[pk].version]
        if current:
            row = owned.rows[self.chance.choice(current)]
            # The rows in memory are not those of the database.
            self.rows[row.pk] = copy_of(row, version=row.version + 1)
            row.version += 1
            owned.noted({row.pk})

    def read(self, owned: OwnedMitigations, *, seen: dict[UUID, Mitigation]) -> None:
        if self.chance.random() < 0.2:
            owned.not_read()
        else:
            owned.read(list(seen.values()), at=0.0)


@pytest.mark.parametrize("seed", range(50))
def test_whatever_is_lost_the_memory_equals_the_rows_after_a_comparison(seed: int) -> None:
    database = Database(Random(seed))
    owned = OwnedMitigations(SUBSCRIPTION)
    known: set[UUID] = set()
    for _ in range(40):
        for _ in range(database.chance.randrange(3)):
            database.change()
        while database.waking and database.chance.random() < 0.7:
            pk = database.waking.pop()
            owned.changed(None if pk is None else {pk})
        owned.begin_read()
        seen = {pk: copy(row) for pk, row in database.rows.items()}
        if database.chance.random() < 0.5:
            database.change()  # while the read is under way
        if database.chance.random() < 0.5:
            database.confirm(owned)
        had = {pk: row.version for pk, row in owned.rows.items()}
        database.read(owned, seen=seen)
        assert all(row.version >= had.get(pk, 0) for pk, row in owned.rows.items())
        known |= owned.take_changed()

    owned.changed(owned.outdated([version_of(one) for one in database.rows.values()], are_all=True))
    while not owned.is_current:
        owned.begin_read()
        owned.read(list(database.rows.values()), at=0.0)
    known |= owned.take_changed()

    assert owned.rows == database.rows
    assert {pk: row.version for pk, row in owned.rows.items()} == {
        pk: row.version for pk, row in database.rows.items()
    }
    assert known >= owned.rows.keys()
