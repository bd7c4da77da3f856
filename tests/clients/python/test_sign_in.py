"""`portalctl sign-in` and `sign-out`, and the file with the token."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from portalctl import private_files

from tests.clients.python.stub import BROKEN, Prepared, Run, Stub, problem

ME = {
    "username": "alice",
    "memberships": [{"organization": {"slug": "acme", "name": "Acme"}, "role": "operator"}],
    "acting_for": None,
}
ISSUED = {
    "token": "issued",
    "expires_at": "2026-12-30T00:00:00Z",
    "device": {},
    "device_token": "known",
}
WHO = ["alice", "pass word", "123456"]


def with_token(stub: Stub, folder: Path, *more: str, stdin: str = "dmp_token\n") -> Run:
    words = ["sign-in", "--portal", stub.url, "--token-from-stdin", *more]
    return Run(words, folder=folder, stdin=stdin)


def saved(folder: Path) -> private_files.Saved:
    return private_files.load({"XDG_CONFIG_HOME": str(folder)})


def test_a_token_from_the_standard_input_is_tried_and_saved_for_its_owner_only(
    stub: Stub, tmp_path: Path
) -> None:
    stub.prepare(Prepared(200, ME))

    run = with_token(stub, tmp_path)

    path = tmp_path / "portalctl/config.json"
    assert run.code == 0
    assert (saved(tmp_path).token, saved(tmp_path).organization) == ("dmp_token", "acme")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["config.json"]
    assert "dmp_token" not in run.out + run.err


def test_a_service_token_names_its_organization_because_it_is_no_person(
    stub: Stub, tmp_path: Path
) -> None:
    stub.prepare(Prepared(200, {"next": None, "previous": None, "results": []}))

    run = with_token(stub, tmp_path, "--organization", "acme", stdin="dms_token")

    [call] = stub.calls
    assert (run.code, call.path) == (
        0,
        "/api/v1/organizations/acme/mitigation-requests?limit=1",
    )


def test_a_refused_token_is_not_saved(stub: Stub, tmp_path: Path) -> None:
    stub.prepare(Prepared(401, problem(401, "not-signed-in", "Sign in first.")))

    run = with_token(stub, tmp_path)

    assert (run.code, list(tmp_path.iterdir())) == (1, [])


def test_a_member_of_two_organizations_has_to_choose(stub: Stub, tmp_path: Path) -> None:
    two = [{"organization": {"slug": slug}} for slug in ("acme", "bits")]
    stub.prepare(Prepared(200, ME | {"memberships": two}))

    run = with_token(stub, tmp_path)

    assert run.code == 2
    assert "--organization: Choose one of: acme, bits" in run.err


def test_a_password_gives_a_session_and_the_next_sign_in_comes_from_a_known_device(
    stub: Stub, tmp_path: Path
) -> None:
    words = ["sign-in", "--portal", stub.url]
    stub.prepare(Prepared(201, ISSUED), Prepared(200, ME), Prepared(201, ISSUED), Prepared(200, ME))

    first = Run(words, folder=tmp_path, typed=WHO)
    Run(words, folder=tmp_path, typed=WHO)

    bodies = [call.json for call in stub.calls if call.method == "POST"]
    assert first.code == 0
    assert [bodies[0][name] for name in ("username", "password", "otp")] == WHO
    assert "device_token" not in bodies[0]
    assert bodies[1]["device_token"] == "known"
    assert saved(tmp_path).is_session


def test_a_sign_in_is_not_repeated_because_a_code_counts_once(stub: Stub, tmp_path: Path) -> None:
    stub.prepare(Prepared(BROKEN))

    run = Run(["sign-in", "--portal", stub.url], folder=tmp_path, typed=WHO)

    assert (run.code, len(stub.calls)) == (3, 1)


def test_a_password_is_only_asked_at_a_terminal(stub: Stub, tmp_path: Path) -> None:
    run = Run(["sign-in", "--portal", stub.url], folder=tmp_path, stdin="alice\n")

    assert (run.code, stub.calls) == (2, [])


def test_signing_out_ends_a_session_and_forgets_it(stub: Stub, tmp_path: Path) -> None:
    stub.prepare(Prepared(201, ISSUED), Prepared(200, ME), Prepared(204))
    Run(["sign-in", "--portal", stub.url], folder=tmp_path, typed=WHO)

    run = Run(["sign-out"], folder=tmp_path)

    last = stub.calls[-1]
    assert (run.code, last.method, last.path) == (0, "DELETE", "/api/v1/auth/token")
    assert not (tmp_path / "portalctl/config.json").exists()


def test_signing_out_without_a_portal_forgets_nothing(stub: Stub, tmp_path: Path) -> None:
    stub.prepare(Prepared(201, ISSUED), Prepared(200, ME), Prepared(BROKEN))
    Run(["sign-in", "--portal", stub.url], folder=tmp_path, typed=WHO)

    assert Run(["sign-out"], folder=tmp_path).code == 3
    assert saved(tmp_path).token == "issued"


def test_signing_out_only_forgets_a_token_that_was_made_elsewhere(
    stub: Stub, signed_in: Path
) -> None:
    run = Run(["sign-out"], folder=signed_in)

    assert (run.code, stub.calls) == (0, [])
    assert "stays valid until you revoke it" in run.out


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://portal.example", "Use https."),
        ("https://portal.example?key=s3cret", "others on this machine can read"),
        ("https://me:s3cret@portal.example", "others on this machine can read"),
        ("portal.example", "This is not a web address."),
        ("https://portal.example:99999", "This is not a web address."),
        ("https://portal example", "no spaces"),
    ],
)
def test_an_address_that_would_show_a_secret_is_refused(
    tmp_path: Path, url: str, said: str
) -> None:
    run = Run(["sign-in", "--portal", url, "--token-from-stdin"], folder=tmp_path, stdin="t")

    assert run.code == 2
    assert said in run.err
    assert "s3cret" not in run.err


@pytest.mark.parametrize("stdin", ["", "two\nlines", "ümlaut", "a\x00b", "x" * 5000])
def test_a_token_that_no_header_can_carry_is_refused(
    stub: Stub, tmp_path: Path, stdin: str
) -> None:
    run = with_token(stub, tmp_path, stdin=stdin)

    assert (run.code, stub.calls) == (2, [])


def test_a_file_that_others_may_read_is_not_used(stub: Stub, signed_in: Path) -> None:
    (signed_in / "portalctl/config.json").chmod(0o644)

    run = Run(["list"], folder=signed_in)

    assert (run.code, stub.calls) == (2, [])
    assert "chmod 600" in run.err


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"portal": 1}'])
def test_a_damaged_file_leads_to_the_sign_in(signed_in: Path, content: str) -> None:
    (signed_in / "portalctl/config.json").write_text(content)

    run = Run(["list"], folder=signed_in)

    assert run.code == 2
    assert "The file is damaged. Sign in first" in run.err


def test_a_text_in_the_wrong_place_is_a_damaged_file(signed_in: Path) -> None:
    path = signed_in / "portalctl/config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"token": 7}))

    assert Run(["list"], folder=signed_in).code == 2
