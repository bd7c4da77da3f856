from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from portal.providers.certificate_validity import validities
from portal.providers.models import PendingChange
from portal.providers.wording import PARTS, still_connected
from portal.readiness.checks import certificates, providers
from portal.readiness.rows import State
from portal.web.templatetags.readiness import href
from portal.wording import Session
from tests.portal.identities import pem
from tests.portal.readiness.conftest import NOW, provider, up, valid

PASS, WARN, FAIL = State.PASS, State.WARN, State.FAIL


def at(day: int, hour: int = 4, minute: int = 0) -> datetime:
    return datetime(2026, 10, day, hour, minute, tzinfo=UTC)


def test_a_connection_shows_its_transport_start_and_other_working_transports() -> None:
    row = providers.session(
        provider(transports=["dtls", "tls"], worked={"dtls": at(2, 1), "tls": at(1)}), NOW
    )

    assert (row.state, row.question, row.about) == (PASS, "Northgate Scrubbing", "n")
    assert row.evidence == (
        "Connected over UDP since 2\u00a0October. Last heard 8\u00a0s ago. "
        "TCP last worked on 1\u00a0October."
    )


@pytest.mark.parametrize(
    ("worked", "said"),
    [
        (None, "TCP has not been used yet."),
        (at(6, 3), "TCP last worked at 03:00:00."),
        (at(5), "TCP last worked at 04:00 yesterday."),
    ],
)
def test_the_other_transport_is_shown_as_working_only_if_it_worked(
    worked: datetime | None, said: str
) -> None:
    one = provider(transports=["dtls", "tls"], worked={"dtls": at(2, 1), "tls": worked})

    assert said in providers.session(one, NOW).evidence


CHANGE = PendingChange(
    changed=("address", "certificate"),
    tried_at=NOW - timedelta(minutes=2),
    failure="nothing listens at 192.0.2.1:4646.",
)


def test_a_connection_with_old_settings_says_why() -> None:
    row = providers.session(provider(pending_change=CHANGE), NOW)

    assert row.state == WARN
    assert "Still connected with the old address and certificate." in row.evidence
    assert "The new ones did not work 2\u00a0min ago: nothing listens at" in row.evidence
    assert row.clause == "Northgate is still connected with the old address and certificate"


def test_an_untried_change_is_not_shown_as_failed() -> None:
    change = PendingChange(changed=("trust_anchors",), tried_at=None, failure="")

    evidence = providers.session(provider(pending_change=change), NOW).evidence

    assert (
        "Still connected with the old trust anchors; the portal is trying the new ones." in evidence
    )


def test_a_silent_connection_with_old_settings_says_both() -> None:
    row = providers.session(provider(session=up(91), pending_change=CHANGE), NOW)

    assert row.clause == "Northgate has been silent for a while"
    assert "Still connected with the old address" in row.evidence


@pytest.mark.parametrize("part", PARTS)
def test_every_setting_that_can_change_has_a_label(part: str) -> None:
    change = PendingChange(changed=(part,), tried_at=None, failure="")

    assert PARTS[part] in still_connected(change, NOW)


def test_a_disabled_transport_is_not_mentioned() -> None:
    assert "TCP" not in providers.session(provider(), NOW).evidence


@pytest.mark.parametrize(("silent_s", "state"), [(90, PASS), (91, WARN)])
def test_three_missed_heartbeats_are_reported(silent_s: int, state: State) -> None:
    row = providers.session(provider(session=up(silent_s)), NOW)

    assert row.state == state
    assert ("nothing heard for 91\u00a0s" in row.evidence) == (state == WARN)


@pytest.mark.parametrize("state", ["connecting", "down"])
def test_a_disconnected_provider_has_a_reason_and_a_phone_number(state: str) -> None:
    lost = Session(state=state, since=at(6, 3, 11), detail="no route")

    row = providers.session(provider(session=lost), NOW)

    assert (row.state, row.clause) == (FAIL, "Northgate is not connected")
    assert "03:11:00" in row.evidence
    assert "o route" in row.evidence
    assert row.link is not None
    assert href(row.link, "acme") == "tel:+15550142"


def test_a_connection_without_a_signal_worker_counts_as_disconnected() -> None:
    row = providers.session(provider(has_worker=False), NOW)

    assert row.state == FAIL
    assert row.evidence == "No signal worker is managing this connection. Last heard 8\u00a0s ago."


def test_the_signal_worker_check_names_unmanaged_connections() -> None:
    both = [provider(), provider(id="t", short="Tidewall", has_worker=False)]

    well = providers.signal_worker([provider()], NOW - timedelta(seconds=3), NOW)
    assert well.state == PASS
    assert well.evidence == (
        "It is managing the connection to Northgate. Last sign of life 3\u00a0s ago."
    )
    row = providers.signal_worker(both, NOW, NOW)
    assert row.state == FAIL
    assert row.clause == "no signal worker is managing the connection to Tidewall"


@pytest.mark.parametrize(
    ("days", "state", "said"),
    [
        (30.5, PASS, "Expires on 5\u00a0November\u00a02026, in 30\u00a0days."),
        (30, WARN, "Expires in 30\u00a0days, on 5\u00a0November\u00a02026. After that Northgate"),
        (0.25, WARN, "Expires in 6\u00a0h"),
        (0, FAIL, "Expired on 6\u00a0October\u00a02026"),
        (-3, FAIL, "Expired on 3\u00a0October\u00a02026, 3\u00a0days ago."),
    ],
)
def test_a_certificate_warns_thirty_days_before_it_expires(
    days: float, state: State, said: str
) -> None:
    row = certificates.certificate(provider(chain=[valid(days)]), NOW)

    assert row.state == state
    assert said in row.evidence
    assert bool(row.clause) == (state != PASS)


def test_an_issuer_may_expire_before_the_certificate() -> None:
    row = certificates.certificate(provider(chain=[valid(400), valid(10, "Sub CA")]), NOW)

    assert row.state == WARN
    assert row.evidence.startswith("Its issuer’s certificate (Sub CA): Expires in 10\u00a0days")


def test_a_certificate_not_yet_valid_does_not_count() -> None:
    row = certificates.certificate(provider(chain=[valid(400, begins=2)]), NOW)

    assert row.state == FAIL
    assert row.evidence == "It is not valid until 8\u00a0October\u00a02026."


def test_an_unreadable_certificate_is_no_certificate() -> None:
    assert certificates.certificate(provider(chain=()), NOW).state == FAIL
    assert certificates.trust(provider(anchors=()), NOW).state == FAIL


@pytest.mark.parametrize(
    ("days", "state"),
    [((900,), PASS), ((30,), WARN), ((900, 29), WARN), ((900, -1), WARN), ((-1, -2), FAIL)],
)
def test_one_valid_trust_anchor_is_enough(days: tuple[int, ...], state: State) -> None:
    row = certificates.trust(provider(anchors=[valid(one, f"Root {one}") for one in days]), NOW)

    assert row.state == state
    assert bool(row.clause) == (state != PASS)


def test_a_provider_without_a_number_cannot_be_called() -> None:
    both = [provider(), provider(short="Tidewall", phone=" ")]

    assert providers.phone([provider()]).evidence == "Northgate +1\u00a0555\u00a00142."
    row = providers.phone(both)
    assert (row.state, row.clause) == (WARN, "no phone number for Tidewall")


def test_certificates_are_read_from_a_chain_and_garbage_gives_none() -> None:
    chain = validities(pem(10, "acme") + pem(20, "Sub CA"))

    assert [one.name for one in chain] == ["acme", "Sub CA"]
    assert chain[1].ends - chain[0].ends > timedelta(days=9)
    assert validities("-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----\n") == ()
    assert validities("") == ()


def test_a_looping_path_is_reported_with_its_gateways() -> None:
    looped = providers.Loop("edge-1, core-2", NOW - timedelta(seconds=300))

    row = providers.loop(provider(loop=looped), NOW)

    assert row is not None
    assert (row.state, row.question) == (FAIL, "Path to Northgate")
    assert row.clause == "requests do not reach Northgate"
    assert row.evidence.replace("\u00a0", " ") == (
        "The last request, 5 min ago, did not reach Northgate: it looped through "
        "edge-1 and core-2. Their operators must fix this. A drill shows whether they have."
    )


def test_gateways_without_a_name_are_reported_too() -> None:
    row = providers.loop(provider(loop=providers.Loop("", NOW)), NOW)

    assert row is not None
    assert "through gateways that do not give their names" in row.evidence


def test_a_path_without_a_loop_has_no_check() -> None:
    assert providers.loop(provider(), NOW) is None


@pytest.mark.parametrize(
    ("code", "state", "words"),
    [
        ("4.01", FAIL, "Northgate does not know the portal’s certificate (code 4.01)"),
        ("4.03", FAIL, "Northgate does not know the portal’s certificate (code 4.03)"),
        ("4.04", WARN, "It answers heartbeats with code 4.04."),
        ("5.00", WARN, "It answers heartbeats with code 5.00."),
    ],
)
def test_a_connection_on_which_heartbeats_are_refused_is_not_ready(
    code: str, state: State, words: str
) -> None:
    row = providers.session(provider(refusal=code), NOW)

    assert row.state == state
    assert words in row.evidence
    assert row.evidence.startswith("Connected")


@pytest.mark.parametrize(
    ("why", "words"),
    [
        ("circle", "redirected the portal back to where it came from"),
        ("inner-address", "to an address inside a private network"),
        ("a later release's", "to an address the portal does not follow"),
    ],
)
def test_an_ignored_redirection_is_reported(why: str, words: str) -> None:
    row = providers.session(provider(redirection_ignored=why), NOW)

    assert row.state == WARN
    assert words in row.evidence
    assert row.evidence.startswith("Connected")
