"""The APIs of polled detectors, on loopback, as their documentation describes them."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Final
from urllib.parse import parse_qs, quote, urlsplit

TOKEN: Final = "sightline-token"
KEY_ID: Final = "AKIDEXAMPLE00000"
KEY: Final = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
_STOPPED: Final = re.compile(r"/data/attributes/stop_time>(\S+)")
_SIGNED: Final = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>\w+)/(?P<scope>[\w/-]+), "
    r"SignedHeaders=(?P<names>[\w;-]+), Signature=(?P<signature>[0-9a-f]{64})"
)


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes = b"{}"
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Call:
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class DetectorApi:
    """`instead`: answers to the next calls, whatever they ask."""

    url: str = ""
    calls: list[Call] = field(default_factory=list)
    instead: list[Answer] = field(default_factory=list)

    def answer(self, call: Call) -> Answer:
        raise NotImplementedError

    def reply(self, call: Call) -> Answer:
        self.calls.append(call)
        return self.instead.pop(0) if self.instead else self.answer(call)


@dataclass
class Sightline(DetectorApi):
    """Newest alerts first."""

    alerts: list[dict[str, Any]] = field(default_factory=list)

    def begin(self, alert_id: str, address: str, at: datetime) -> dict[str, Any]:
        subject = {
            "direction": "Incoming",
            "host_address": address,
            "impact_bps": 1_250_000_000,
            "misuse_types": ["UDP"],
        }
        attributes = {
            "alert_class": "dos",
            "alert_type": "dos_host_detection",
            "importance": 2,
            "ongoing": True,
            "start_time": at.isoformat(),
            "subobject": subject,
        }
        self.alerts.insert(0, {"type": "alert", "id": alert_id, "attributes": attributes})
        return self.alerts[0]

    def end(self, alert_id: str, at: datetime) -> None:
        (alert,) = [one for one in self.alerts if one["id"] == alert_id]
        alert["attributes"] |= {"ongoing": False, "stop_time": at.isoformat()}

    def answer(self, call: Call) -> Answer:
        if call.headers.get("x-arbux-apitoken") != TOKEN:
            return Answer(401, b'{"errors":[{"status":"401"}]}')
        url = urlsplit(call.target)
        if call.method != "GET" or url.path != "/api/sp/v7/alerts/":
            return Answer(404)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        found = self._matching(query["filter"])
        page, each = int(query["page"]), int(query["perPage"])
        links = {"self": call.target}
        if len(found) > page * each:
            links["next"] = f"https://elsewhere.example/api/sp/v7/alerts/?page={page + 1}"
        data = found[(page - 1) * each : page * each]
        return Answer(200, json.dumps({"data": data, "links": links}).encode())

    def _matching(self, wanted: str) -> list[dict[str, Any]]:
        assert wanted.startswith("/data/attributes/alert_class=dos AND "), wanted
        if wanted.endswith("/data/attributes/ongoing=true"):
            return [one for one in self.alerts if one["attributes"]["ongoing"]]
        stopped = _STOPPED.search(wanted)
        assert stopped, wanted
        since = datetime.fromisoformat(stopped[1])
        return [
            one
            for one in self.alerts
            if (stop := one["attributes"].get("stop_time")) and datetime.fromisoformat(stop) > since
        ]


@dataclass
class Shield(DetectorApi):
    """Oldest attacks first. It checks each signature with its own computation."""

    attacks: dict[str, dict[str, Any]] = field(default_factory=dict)
    per_page: int = 100
    "at most, whatever is wanted"
    described: int | None = None
    "how many more attacks it describes before it is busy; None: all"

    def begin(self, attack_id: str, address: str, at: datetime) -> None:
        vector = {"VectorType": "UDP_TRAFFIC", "VectorCounters": []}
        self.attacks[attack_id] = {
            "AttackId": attack_id,
            "ResourceArn": "arn:aws:ec2:eu-central-1:111122223333:eip-allocation/eipalloc-1",
            "SubResources": [{"Type": "IP", "Id": address, "AttackVectors": [vector]}],
            "StartTime": at.timestamp(),
            "AttackCounters": [],
            "Mitigations": [],
        }

    def end(self, attack_id: str, at: datetime) -> None:
        self.attacks[attack_id]["EndTime"] = at.timestamp()

    def answer(self, call: Call) -> Answer:
        problem = _why_not_signed(call)
        if problem:
            return _aws_error(problem)
        body = json.loads(call.body)
        operation = call.headers["x-amz-target"].removeprefix("AWSShield_20160616.")
        if operation == "ListAttacks":
            return self._list(body)
        if self.described is not None:
            if not self.described:
                return _aws_error("ThrottlingException")
            self.described -= 1
        attack = self.attacks.get(body["AttackId"])
        if attack is None:
            return _aws_error("com.amazonaws.shield#ResourceNotFoundException")
        return Answer(200, json.dumps({"Attack": attack}).encode())

    def _list(self, body: Mapping[str, Any]) -> Answer:
        since = body["StartTime"]["FromInclusive"]
        found = [one for one in self.attacks.values() if one["StartTime"] >= since]
        first = int(body.get("NextToken", "token-0").removeprefix("token-"))
        behind = first + min(body["MaxResults"], self.per_page)
        kept = ("AttackId", "ResourceArn", "StartTime", "EndTime")
        answer: dict[str, Any] = {
            "AttackSummaries": [
                {name: one[name] for name in kept if name in one} for one in found[first:behind]
            ]
        }
        if len(found) > behind:
            answer["NextToken"] = f"token-{behind}"
        return Answer(200, json.dumps(answer).encode())


def _aws_error(name: str, status: int = 400) -> Answer:
    return Answer(status, json.dumps({"__type": name, "message": "It does not work."}).encode())


def _why_not_signed(call: Call) -> str:
    """Signature Version 4, from its description and not with the library that the portal uses."""
    found = _SIGNED.fullmatch(call.headers.get("authorization", ""))
    if found is None:
        return "MissingAuthenticationTokenException"
    if found["key"] != KEY_ID:
        return "UnrecognizedClientException"
    moment = call.headers["x-amz-date"]
    sent_at = datetime.strptime(moment, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    names = found["names"].split(";")
    needed = {"host", "x-amz-date", "x-amz-target", "content-type"}
    if abs(datetime.now(UTC) - sent_at) > timedelta(minutes=5) or not needed <= set(names):
        return "InvalidSignatureException"
    scope = f"{moment[:8]}/us-east-1/shield/aws4_request"
    canonical = "\n".join([
        call.method,
        quote(call.target),
        "",
        *(f"{name}:{call.headers[name].strip()}" for name in names),
        "",
        found["names"],
        hashlib.sha256(call.body).hexdigest(),
    ])  # fmt: skip
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{digest}"
    key = f"AWS4{KEY}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    is_right = (found["scope"], found["signature"]) == (scope, signature)
    return "" if is_right else "InvalidSignatureException"


@contextmanager
def serving(api: DetectorApi) -> Iterator[None]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(api.reply))
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    api.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(reply: Callable[[Call], Answer]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _do(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = reply(Call(self.command, self.path, headers, body))
            self.send_response(answer.status)
            for name, value in answer.headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        do_GET = do_POST = _do  # the names that the server calls

        def log_message(self, format: str, *args: Any) -> None:
            """Tests say what they need."""

    return Handler
