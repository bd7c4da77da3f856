"""`portalctl alert`: one call of an alert endpoint."""

from __future__ import annotations

from pathlib import Path

import pytest

from portal.alerts.mapping import AlertSource, map_payload
from tests.clients.python.stub import BROKEN, Prepared, Run, Stub, problem
from tests.portal.alerts.fixture_files import SETTINGS

RECEIPT = {
    "accepted": 1,
    "over_limit": 0,
    "repeated": None,
    "not_ours": None,
    "rejected": None,
}
TAKEN = Prepared(202, RECEIPT)


def endpoint(stub: Stub, secret: Path) -> list[str]:
    place = f"{stub.url}/api/v1/alerts/0b9f7f4e-5a6c-4e9b-9a57-0f2a6a1f0001"
    return ["alert", "--endpoint", place, "--secret-file", str(secret)]


def test_options_become_the_plain_format_that_the_portal_reads(
    stub: Stub, secret: Path, tmp_path: Path
) -> None:
    stub.prepare(TAKEN)
    lists = "--target 203.0.113.7 --target 203.0.113.8 --protocol 17 --port 443"
    amounts = "--severity 3 --bps 1200000000 --pps 1500000"
    texts = "--state end --id a-17 --vector flood --direction incoming"
    options = f"{lists} {amounts} {texts}".split()

    run = Run([*endpoint(stub, secret), *options], folder=tmp_path)

    [call] = stub.calls
    mapped = map_payload(AlertSource.PLAIN, call.body, SETTINGS)
    [alert] = mapped.alerts
    assert (run.code, mapped.rejections) == (0, ())
    assert call.headers["Authorization"] == "Bearer s3cret"
    assert (alert.event_id, alert.state, alert.vector, alert.severity) == (
        "a-17",
        "end",
        "flood",
        3,
    )
    assert alert.targets.texts == ("203.0.113.7/32", "203.0.113.8/32")
    assert (alert.bps, alert.pps, alert.protocols) == (1_200_000_000, 1_500_000, (17,))


def test_without_a_target_the_standard_input_is_sent_as_it_is(
    stub: Stub, secret: Path, tmp_path: Path
) -> None:
    stub.prepare(TAKEN)

    run = Run(endpoint(stub, secret), folder=tmp_path, stdin='{"targets": ["203.0.113.7"]}')

    assert (run.code, stub.calls[0].body) == (0, b'{"targets": ["203.0.113.7"]}')


def test_records_over_the_limit_are_named(stub: Stub, secret: Path, tmp_path: Path) -> None:
    stub.prepare(Prepared(202, RECEIPT | {"over_limit": 4}))

    run = Run(endpoint(stub, secret), folder=tmp_path, stdin="[]")

    assert "Too many came: 4 were only counted." in run.err


def test_a_wrong_secret_ends_with_1_and_is_not_shown(
    stub: Stub, secret: Path, tmp_path: Path
) -> None:
    stub.prepare(Prepared(401, problem(401, "wrong-secret", "The secret is wrong.")))

    run = Run([*endpoint(stub, secret), "--target", "203.0.113.7"], folder=tmp_path)

    assert (run.code, len(stub.calls)) == (1, 1)
    assert "s3cret" not in run.out + run.err


def test_a_broken_connection_is_tried_again_and_ends_with_3(
    stub: Stub, secret: Path, tmp_path: Path
) -> None:
    stub.prepare(Prepared(BROKEN))

    run = Run([*endpoint(stub, secret), "--target", "203.0.113.7"], folder=tmp_path)

    assert (run.code, len(stub.calls), len(run.pauses)) == (3, 4, 3)


@pytest.mark.parametrize("stdin", ["", " \n", "x" * (256 * 1024 + 1), "ü" * 200_000])
def test_an_input_that_the_portal_would_not_take_is_not_sent(
    stub: Stub, secret: Path, tmp_path: Path, stdin: str
) -> None:
    run = Run(endpoint(stub, secret), folder=tmp_path, stdin=stdin)

    assert (run.code, stub.calls) == (2, [])


def test_the_secret_must_be_in_a_private_file(stub: Stub, secret: Path, tmp_path: Path) -> None:
    secret.chmod(0o640)

    run = Run([*endpoint(stub, secret), "--target", "203.0.113.7"], folder=tmp_path)

    assert (run.code, stub.calls) == (2, [])
