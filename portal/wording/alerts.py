"""Alerts of detectors in people's words."""

from __future__ import annotations

from typing import Final

from portal.alerts.alert import Rejection, RejectionCode
from portal.alerts.mapping import AlertSource
from portal.alerts.models import AlertEndpoint, AlertPoll, AlertVerdict
from portal.alerts.polling import PollProblem
from portal.core.formatting import plural
from portal.wording.facts import Badge

ON: Final = Badge("Receives alerts", "disc-tick", "good")
UNUSED: Final = Badge("Waits for its first alert", "ring-dot", "idle")
POLLED: Final = Badge("Polled", "disc-tick", "good")
POLL_WAITS: Final = Badge("Waits for its first poll", "ring-dot", "idle")
POLL_FAILS: Final = Badge("The last poll failed", "triangle", "warn")
OFF: Final = Badge("Switched off", "pause", "idle")
TEST_PASSED: Final = Badge("Passed", "disc-tick", "good")
TEST_FAILED: Final = Badge("Failed", "triangle", "warn")
SOURCES: Final = {
    AlertSource.PLAIN: "Plain JSON",
    AlertSource.FASTNETMON: "FastNetMon Advanced",
    AlertSource.FASTNETMON_COMMUNITY: "FastNetMon Community",
    AlertSource.ALERTMANAGER: "Prometheus Alertmanager",
    AlertSource.GRAFANA: "Grafana Alerting",
    AlertSource.KENTIK: "Kentik",
    AlertSource.CLOUDFLARE: "Cloudflare",
    AlertSource.DDOS_GUARD: "DDoS-Guard",
    AlertSource.FLOWTRIQ: "Flowtriq",
    AlertSource.WANGUARD: "Wanguard",
    AlertSource.SURICATA: "Suricata",
    AlertSource.ZEEK: "Zeek",
    AlertSource.MODSECURITY: "ModSecurity",
    AlertSource.CORAZA: "Coraza",
    AlertSource.NGINX: "nginx",
    AlertSource.BIND: "BIND",
    AlertSource.NETSCOUT_AED: "NETSCOUT AED",
    AlertSource.WAZUH: "Wazuh",
    AlertSource.KIBANA: "Kibana",
    AlertSource.SIGHTLINE: "Arbor Sightline",
    AlertSource.AWS_SHIELD: "AWS Shield",
}
_VERDICTS: Final = {
    AlertVerdict.OURS: "An attack on your own resources.",
    AlertVerdict.NOT_OURS: "Not ours: a target is outside your verified resources.",
    AlertVerdict.NO_TARGET: "It does not say who is attacked, and its endpoint has no resource.",
    AlertVerdict.OUTGOING: "One of your own hosts attacks others.",
}
_REJECTIONS: Final = {
    RejectionCode.NOT_TEXT: "It is not UTF-8 text.",
    RejectionCode.NOT_JSON: "It is not JSON.",
    RejectionCode.DUPLICATE_KEY: "An object has the same key twice.",
    RejectionCode.NOT_A_NUMBER: "It contains NaN or Infinity, which JSON does not have.",
    RejectionCode.NUL: "It contains a NUL character.",
    RejectionCode.EMPTY: "It has no records.",
    RejectionCode.TOO_MANY_RECORDS: "It has more than 500 records.",
    RejectionCode.TOO_DEEP: "Its lists and objects are nested too deep.",
    RejectionCode.NOT_AN_OBJECT: "The record is not an object.",
    RejectionCode.OTHER_SOURCE: "It is not in the form of this endpoint's source",
    RejectionCode.WRONG_TYPE: "A value has another type than this source sends",
    RejectionCode.MISSING: "A value is missing that this source always sends",
    RejectionCode.BAD_TARGET: "This is no address or name that a provider could protect",
    RejectionCode.TOO_MANY_TARGETS: "It has more than 100 targets",
    RejectionCode.BAD_TIME: "This is no time",
    RejectionCode.BAD_NUMBER: "This number is out of range",
    RejectionCode.UNKNOWN_STATE: "The portal does not know this word",
    RejectionCode.UNKNOWN_HOST: "The endpoint has no resource for this web server",
    RejectionCode.PORTAL_FAILED: "The portal failed to read it. Its operator can see why.",
}
_POLL_PROBLEMS: Final = {
    PollProblem.UNREACHABLE: "The portal cannot connect to the detector.",
    PollProblem.NO_ANSWER: "The detector does not answer in time.",
    PollProblem.NOT_ALLOWED: "The portal may not contact this address: it is not public.",
    PollProblem.BAD_CERTIFICATE: "The certificate of the detector is not valid.",
    PollProblem.REFUSED: "The detector refuses the token or key.",
    PollProblem.BUSY: "The detector asks the portal to wait.",
    PollProblem.SERVER_FAILED: "The detector failed to answer.",
    PollProblem.REDIRECTED: "The detector redirects to another address.",
    PollProblem.BAD_ANSWER: "The detector answers in another form than expected.",
    PollProblem.TOO_LONG: "The answer of the detector is too long.",
    PollProblem.PORTAL_FAILED: "The portal failed to ask the detector. Its operator can see why.",
    PollProblem.SECRET_UNREADABLE: "The portal cannot read the saved secret. Enter it again.",
}


def source(one: AlertSource) -> str:
    return SOURCES[one]


def verdict(one: AlertVerdict) -> str:
    return _VERDICTS[one]


def rejection(one: Rejection) -> str:
    """Why a record was rejected, with the wrong field."""
    words = _REJECTIONS[one.code]
    if words.endswith("."):
        return words
    return f"{words}: {one.field}." if one.field else f"{words}."


def troubles(endpoint: AlertEndpoint) -> list[str]:
    """What went wrong with calls of a detector, since the endpoint was made."""
    found = []
    if endpoint.polled and endpoint.polled.problem:
        poll = endpoint.polled
        found.append(poll_problem(PollProblem(poll.problem), poll.detail))
    if endpoint.unreadable:
        calls = plural(endpoint.unreadable, "call")
        why = rejection(Rejection(0, RejectionCode(endpoint.unreadable_code)))
        found.append(f"{calls} could not be read. The last one: {why}")
    if endpoint.over_limit:
        records = plural(endpoint.over_limit, "record")
        found.append(f"{records} came too fast, and were only counted.")
    return found


def poll_problem(problem: PollProblem, detail: str) -> str:
    """Why a poll failed, with the detail for people who know HTTP."""
    words = _POLL_PROBLEMS[problem]
    return f"{words} ({detail})" if detail else words


def poll_badge(poll: AlertPoll) -> Badge:
    if poll.problem:
        return POLL_FAILS
    return POLLED if poll.last_success_at else POLL_WAITS
