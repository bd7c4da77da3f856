"""What the command line writes: results to stdout, errors and the wire to stderr."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final, TextIO

from dots_client import MitigationReport, SignalConfig, WireRecord, to_json
from dots_client.codec import encode_config_report, encode_reports

SENT: Final = ">"
RECEIVED: Final = "<"
SESSION: Final = "="
REPEATED: Final = "%"
ERROR: Final = "!"


class Console:
    def __init__(self, stdout: TextIO, stderr: TextIO, *, is_json: bool, is_verbose: bool) -> None:
        self._stdout = stdout
        self._stderr = stderr
        self._is_json = is_json
        self._is_verbose = is_verbose

    def result(self, words: str, value: Any) -> None:
        """Write `words`, or with --json `value` on one line."""
        self._stdout.write(f"{json.dumps(value) if self._is_json else words}\n")
        self._stdout.flush()

    def reports(self, reports: Iterable[MitigationReport]) -> None:
        for report in reports:
            body = to_json(encode_reports((report,)))
            (entry,) = body["ietf-dots-signal-channel:mitigation-scope"]["scope"]
            self.result(_in_words(entry), entry)

    def config(self, config: SignalConfig) -> None:
        value = to_json(encode_config_report(config))["ietf-dots-signal-channel:signal-config"]
        lines = [
            f"{set_name.removesuffix('-config')}.{parameter}  {_in_words(limits)}"
            for set_name, parameters in value.items()
            if isinstance(parameters, dict)
            for parameter, limits in parameters.items()
        ]
        self.result("\n".join(lines) or "the server reports no configuration", value)

    def error(self, words: str, *, code: str | None = None) -> None:
        if self._is_json:
            self.result("", {"error": words, "code": code})
        self._stderr.write(f"{ERROR} {words}\n")

    def session(self, words: str) -> None:
        self._note(SESSION, words)

    def repeated(self, transmissions: int) -> None:
        if transmissions > 1:
            self._note(REPEATED, f"no answer yet, sent {transmissions} times")

    def wire(self, record: WireRecord) -> None:
        sigil = SENT if record.direction == "sent" else RECEIVED
        parts = [
            record.kind,
            record.code,
            record.path,
            f"[{record.options}]" if record.options else "",
            "" if record.message_id is None else f"#{record.message_id}",
            record.token,
            f"{record.size} bytes",
            _body(record),
        ]
        self._note(sigil, " ".join(filter(None, parts)))

    def _note(self, sigil: str, words: str) -> None:
        if self._is_verbose:
            self._stderr.write(f"{sigil} {words}\n")


def _in_words(entry: dict[str, Any]) -> str:
    return "  ".join(f"{name}={_plain(value)}" for name, value in entry.items())


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _body(record: WireRecord) -> str:
    body = record.body
    if body is None:
        return ""
    return repr(body) if isinstance(body, str) else json.dumps(body)
