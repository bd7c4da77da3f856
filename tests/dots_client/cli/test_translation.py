from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from dots_client.cli import main
from dots_client.cli.main import Exit

HEARTBEAT = {"ietf-dots-signal-channel:heartbeat": {"peer-hb-status": True}}
REQUEST_HEX = "a101a10281a206816c3139322e302e322e302f32340e190e10"
STATUS_HEX = "a101a10281a3050110020e190e10"


def scope(entry: str) -> str:
    return f'{{"ietf-dots-signal-channel:mitigation-scope": {{"scope": [{entry}]}}}}'


REQUEST = scope('{"target-prefix": ["192.0.2.0/24"], "lifetime": 3600}')

Typed = pytest.MonkeyPatch
Captured = pytest.CaptureFixture[str]


def codec(typed: Typed, text: str, *arguments: str) -> int:
    typed.setattr("sys.stdin", io.StringIO(text))
    return main(["codec", *arguments])


def test_json_becomes_hexadecimal_cbor(monkeypatch: Typed, capsys: Captured) -> None:
    assert codec(monkeypatch, REQUEST, "--to-cbor") == Exit.DONE

    assert capsys.readouterr().out == f"{REQUEST_HEX}\n"


@pytest.mark.parametrize("text", ["a11831a11833f5\n", "A1 18 31 A1\n18 33 F5"])
def test_hexadecimal_cbor_becomes_json(monkeypatch: Typed, capsys: Captured, text: str) -> None:
    assert codec(monkeypatch, text, "--to-json", "-") == Exit.DONE

    assert json.loads(capsys.readouterr().out) == HEARTBEAT


def test_each_direction_reads_the_output_of_the_other(monkeypatch: Typed, capsys: Captured) -> None:
    codec(monkeypatch, REQUEST_HEX, "--to-json")

    assert codec(monkeypatch, capsys.readouterr().out, "--to-cbor") == Exit.DONE
    assert capsys.readouterr().out == f"{REQUEST_HEX}\n"


def test_a_file_may_be_named(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "request.json").write_text(REQUEST)

    assert main(["codec", "--to-cbor", str(tmp_path / "request.json")]) == Exit.DONE
    assert capsys.readouterr().out == f"{REQUEST_HEX}\n"


def config(parameter: str) -> str:
    return f'{{"ietf-dots-signal-channel:signal-config": {{"idle-config": {{{parameter}}}}}}}'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("nonsense", "not JSON"),
        ("[]", "must be an object"),
        ("{}", "exactly one of the four messages"),
        ('{"heartbeat": {}}', "heartbeat: is not an attribute of RFC 9132"),
        (scope('{"lifetime": 60}'), "needs at least one of target-prefix"),
        (scope('{"target-prefix": ["127.0.0.1/32"], "lifetime": 60}'), "loopback addresses"),
        (scope('{"target-prefix": ["192.0.2.0/24"], "lifetime": 0}'), "0 is not a lifetime"),
        (scope('{"target-fqdn": ["a.example"], "lifetime": 9, "mid": 1}'), "does not belong here"),
        (scope('{"lifetime": 60, "attack-status": "under-attack"}'), "needs at least one of"),
        (config('"heartbeat-interval": {"current-value": 7}'), "must be 0 or at least 15 seconds"),
        (config('"ack-timeout": {"current-value-decimal": "2.005"}'), "two decimal places"),
    ],
)
def test_a_violation_is_exit_status_2_with_the_reason(
    monkeypatch: Typed, capsys: Captured, text: str, reason: str
) -> None:
    assert codec(monkeypatch, text, "--to-cbor") == Exit.USAGE

    written = capsys.readouterr()
    assert written.out == ""
    assert reason in written.err


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("xyz", "not hexadecimal"),
        ("", "there are no bytes"),
        ("ff", "not CBOR"),
        ("a1", "not CBOR"),
    ],
)
def test_invalid_cbor_is_exit_status_2(
    monkeypatch: Typed, capsys: Captured, text: str, reason: str
) -> None:
    assert codec(monkeypatch, text, "--to-json") == Exit.USAGE

    assert reason in capsys.readouterr().err


def test_a_body_that_violates_the_rules_is_still_shown(
    monkeypatch: Typed, capsys: Captured
) -> None:
    assert codec(monkeypatch, "a1183c01", "--to-json") == Exit.USAGE

    written = capsys.readouterr()
    assert json.loads(written.out) == {"60": 1}
    assert "unknown key 60" in written.err


@pytest.mark.parametrize(
    ("text", "by_client"),
    [
        (STATUS_HEX, Exit.USAGE),
        ("a1181ea1182ca11821a11824183c", Exit.DONE),
        ("a1182ea1182f6b616c742e6578616d706c65", Exit.USAGE),
        ("a11831a11833f5", Exit.DONE),
        ("a101a10281a306816c3139322e302e322e302f32340e190e10181d01", Exit.DONE),
    ],
)
def test_each_side_is_checked_by_the_rules_for_it(
    monkeypatch: Typed, capsys: Captured, text: str, by_client: Exit
) -> None:
    assert codec(monkeypatch, text, "--to-json") == by_client
    assert codec(monkeypatch, text, "--to-json", "--sender", "server") == Exit.DONE


@pytest.mark.parametrize(
    ("content", "reason"), [(None, "cannot be read"), (b"\xff\xfe", "is not text in UTF-8")]
)
def test_a_file_that_cannot_be_read_is_named(
    tmp_path: Path, capsys: Captured, content: bytes | None, reason: str
) -> None:
    path = tmp_path / "body"
    if content is not None:
        path.write_bytes(content)

    assert main(["codec", "--to-json", str(path)]) == Exit.USAGE
    assert f"{path} {reason}" in capsys.readouterr().err
