"""What is recorded before the first datagram, for one request and for many."""

from __future__ import annotations

from datetime import timedelta

import pytest

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.mitigations import services
from portal.mitigations.models import Mitigation
from portal.mitigations.services import Sending
from tests.portal.mitigations.conftest import Submit
from tests.portal.mitigations.rows import NOW, mitigations_of

LATER = NOW + timedelta(seconds=60)


def again(mitigation: Mitigation) -> Mitigation:
    return Mitigation.objects.get(pk=mitigation.pk)


def asked(submit: Submit) -> Mitigation:
    """Asked at NOW."""
    (row, *_) = mitigations_of(submit())
    Mitigation.objects.filter(pk=row.pk).update(asked_at=NOW)
    return row


def sending(mitigation: Mitigation, seconds: int = 0) -> Sending:
    row = again(mitigation)
    return Sending(row.pk, row.version, NOW + timedelta(seconds=seconds))


def test_many_requests_are_recorded_each_with_its_own_time(submit: Submit) -> None:
    rows = [asked(submit) for _ in range(3)]
    sendings = [sending(row, seconds) for seconds, row in enumerate(rows)]

    assert services.record_sendings(sendings).keys() == {row.pk for row in rows}

    assert [again(row).sent_at for row in rows] == [one.at for one in sendings]
    assert [again(row).last_sent_at for row in rows] == [one.at for one in sendings]
    assert [again(row).sends for row in rows] == [0, 0, 0]


def test_one_sent_before_keeps_the_time_and_count_of_its_first_copy(submit: Submit) -> None:
    row = asked(submit)
    services.record_sendings([sending(row)])
    services.record_sends(sends={row.pk: 2}, now=NOW)

    assert services.record_sendings([sending(row, 60)]).keys() == {row.pk}

    row = again(row)
    assert (row.sent_at, row.last_sent_at, row.sends) == (NOW, LATER, 2)


def test_one_asked_again_counts_from_the_beginning(submit: Submit) -> None:
    row = asked(submit)
    services.record_sendings([sending(row)])
    services.record_sends(sends={row.pk: 2}, now=NOW)
    Mitigation.objects.filter(pk=row.pk).update(asked_at=LATER)

    services.record_sendings([sending(row, 61)])

    row = again(row)
    assert (row.sent_at, row.sends) == (NOW + timedelta(seconds=61), 0)


@pytest.mark.parametrize("is_terminated", [False, True])
def test_a_row_that_changed_is_decided_alone(
    submit: Submit, alice: User, *, is_terminated: bool
) -> None:
    request, other = submit(), submit()
    (row,), (unchanged,) = mitigations_of(request), mitigations_of(other)
    sendings = [sending(row), sending(unchanged)]
    if is_terminated:
        services.terminate(request_id=request.pk, actor=Actor.person(alice))
    else:
        Mitigation.objects.filter(pk=row.pk).update(overdue_at=NOW)

    assert services.record_sendings(sendings).keys() == {unchanged.pk}
    assert again(row).sent_at is None

    may_be_sent = services.record_sending(mitigation_id=row.pk, mid=row.mid, now=NOW)
    assert may_be_sent == (not is_terminated)
    assert again(row).sent_at == (None if is_terminated else NOW)


def test_nothing_is_sent_under_a_mid_that_the_row_does_not_have_any_more(submit: Submit) -> None:
    row = asked(submit)
    Mitigation.objects.filter(pk=row.pk).update(mid=row.mid + 1)

    assert not services.record_sending(mitigation_id=row.pk, mid=row.mid, now=NOW)
    assert services.record_sending(mitigation_id=row.pk, mid=row.mid + 1, now=NOW)
