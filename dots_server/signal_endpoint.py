"""Clients' sessions at a server or gateway, without a network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from dots_client import DecodeError
from dots_client.server import (
    CONFIG,
    DOTS_CBOR,
    HEARTBEAT,
    MITIGATE,
    PREFIX,
    REGISTER,
    ConfigPath,
    HeartbeatPath,
    MitigatePath,
    decode_heartbeat,
    parse_content,
    parse_path,
)
from dots_server.agenda import Agenda
from dots_server.messages import Notification, Request, Response, text
from dots_server.observers import GAP_WITHOUT_RTT_S, Observer, Observers
from dots_server.policy import Policy
from dots_server.sessions import Session
from dots_server.terms import Terms
from dots_server.throttle import Throttle

METHODS: Final[Mapping[str, tuple[str, ...]]] = {
    MITIGATE: ("GET", "PUT", "DELETE"),
    CONFIG: ("GET", "PUT", "DELETE"),
    HEARTBEAT: ("PUT",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """The time that a client may stay silent."""

    since: float
    allowed_s: float

    @property
    def ends_at(self) -> float:
        return self.since + self.allowed_s


class SignalEndpoint(ABC):
    """Requests and time in, answers and notifications out.

    It answers what stays on one hop: heartbeats and configuration. Subclasses answer requests about
    mitigations.

    `now` is in seconds since 1970-01-01 UTC. Requests and ticks do not scan other clients.
    """

    def __init__(self, *, policy: Policy, terms: Terms) -> None:
        self.observers = Observers()
        self.sessions: dict[int, Session] = {}
        self.requests_seen = 0
        self._policy = policy
        self._terms = terms
        self._throttle = Throttle()
        self._agenda: Agenda[str] = Agenda()
        "when each client must be advanced"
        self._heartbeats: Agenda[int] = Agenda()
        "when each session needs a heartbeat"
        self._silences: dict[str, Silence] = {}
        self._notified_at: dict[int, float] = {}

    @property
    def terms(self) -> Terms:
        return self._terms

    def set_terms(self, terms: Terms) -> None:
        """They take effect at once, for every client."""
        self._terms = terms
        for client in self._clients():
            self._agenda.hurry(client)

    # For the resource `mitigate`

    @abstractmethod
    def answer_mitigate(
        self, session: Session, request: Request, path: MitigatePath, *, now: float
    ) -> Response | None:
        """The answer to an authorized request; None is silence."""

    def notification_of(self, observer: Observer, subject: MitigatePath, *, now: float) -> Response:
        """The next notification of an observation of mitigations. An error ends the observation."""
        return text("4.04", "no mitigation known")

    def is_worth_repeating(self, client: str, subject: MitigatePath) -> bool:
        """Whether observers get periodic notifications."""
        return False

    def is_mitigating_for(self, client: str) -> bool:
        return False

    def lose_signal(self, client: str, *, now: float) -> None:  # noqa: B027 - not for gateways
        """No message came from the client for too long."""

    def advance_mitigations(self, client: str, *, now: float) -> None:  # noqa: B027 - as above
        """Let time pass for the client's mitigations."""

    def next_mitigation_timer(self, client: str, *, now: float) -> float | None:
        """When the next of their timers is due."""
        return None

    def touch(self, client: str) -> None:
        """Something changed for this client: advance it on the next tick."""
        self._agenda.hurry(client)

    # Sessions

    def open_session(self, number: int, *, client: str, peer: str, now: float) -> None:
        """`client`: the common name of its certificate; `peer`: its address and port."""
        self.sessions[number] = Session(
            number=number, client=client, peer=peer, opened_at=now, last_heard_at=now
        )

    def close_session(self, number: int) -> None:
        """The session has ended. Its client counts as lost only after the allowed silence."""
        self.sessions.pop(number, None)
        self.observers.remove_session(number)
        self._notified_at.pop(number, None)
        self._heartbeats.set(number, None)

    def heard(self, number: int, *, now: float) -> None:
        """A message came on this session: its client is not lost."""
        session = self.sessions[number]
        session.last_heard_at = now
        allowed_s = session.silence_allowed_s(is_mitigating=self.is_mitigating_for(session.client))
        if session.liveness is None and session.client in self._silences:
            # This session has had no heartbeat yet: the silence that earlier ones allowed still
            # applies.
            allowed_s = self._silences[session.client].allowed_s
        if allowed_s is None:
            self._silences.pop(session.client, None)
        else:
            self._expect(session.client, Silence(since=now, allowed_s=allowed_s))

    def heartbeats_due(self, *, now: float) -> list[tuple[int, bool]]:
        """Sessions to send a heartbeat to now, with the peer-hb-status to send."""
        if not self.terms.heartbeats:
            return []
        due = []
        for number in self._heartbeats.take_due(now):
            session = self.sessions[number]
            assert session.liveness is not None, "it started with the client's first heartbeat"
            due.append((number, session.liveness.peer_hb_status(now=now)))
            is_mitigating = self.is_mitigating_for(session.client)
            session.liveness.configure(
                session.liveness_parameters(is_mitigating=is_mitigating), now=now
            )
            session.liveness.sent(now=now)
            self._heartbeats.set(number, session.liveness.next_timer())
        return due

    def heartbeat_answered(self, number: int, *, now: float, rtt_s: float) -> None:
        session = self.sessions.get(number)
        if session is not None and session.liveness is not None:
            session.rtt_s = rtt_s
            session.liveness.answered(now=now)
            self.heard(number, now=now)
            self.touch(session.client)

    def _expect(self, client: str, silence: Silence) -> None:
        """A message must come from this client in time."""
        self._silences[client] = silence
        self._agenda.bring_forward(client, silence.ends_at)

    # Requests

    def receive(self, number: int, request: Request, *, now: float) -> Response | None:
        """The answer to a request on session `number`; None is silence."""
        self.requests_seen += 1
        session = self.sessions[number]
        self.heard(number, now=now)
        operation = request.path[2] if len(request.path) > 2 else ""
        if request.path[:2] != PREFIX or operation not in METHODS:
            return text("4.04", f"no resource /{'/'.join(request.path)}")
        if request.method not in METHODS[operation]:
            return text("4.05", f"{request.method} is not allowed on {operation}")
        if request.hop_limit == 0:
            return text("4.00", "a request with Hop-Limit 0 must not be sent")
        if request.method == "PUT" and request.content_format != DOTS_CBOR:
            return text("4.15", f"the Content-Format must be {DOTS_CBOR}")
        try:
            path = parse_path(request.path)
        except DecodeError as error:
            return text("4.00", str(error))
        if isinstance(path, HeartbeatPath):
            return self._receive_heartbeat(session, request, now=now)
        return self._answer_if_authorized(session, request, path, now=now)

    def _receive_heartbeat(
        self, session: Session, request: Request, *, now: float
    ) -> Response | None:
        if not self.terms.heartbeats:
            return None
        try:
            heartbeat = decode_heartbeat(request.payload)
        except DecodeError as error:
            return text("4.00", str(error))
        liveness = session.heartbeat_received(
            now=now,
            is_seen=heartbeat.peer_hb_status,
            is_mitigating=self.is_mitigating_for(session.client),
        )
        self._heartbeats.set(session.number, liveness.next_timer())
        self.heard(session.number, now=now)
        return Response(code="2.04")

    def _answer_if_authorized(
        self, session: Session, request: Request, path: MitigatePath | ConfigPath, *, now: float
    ) -> Response | None:
        if self._policy.entitlement(session.client) is None:
            return text("4.01", f"{session.client} has no contract with this provider")
        limit = self.terms.max_requests_per_s
        # Ending a mitigation is never throttled.
        if request.method != "DELETE" and not self._throttle.admits(session.client, limit, now=now):
            return text("4.29", "too many requests", max_age=1)
        self.touch(session.client)
        if isinstance(path, ConfigPath):
            response: Response | None = session.configuration.handle(request, path)
        else:
            response = self.answer_mitigate(session, request, path, now=now)
        if response is None or request.method != "GET" or request.observe is None:
            return response
        return self._begin_or_end_observation(session, request, path, response, now=now)

    def _begin_or_end_observation(
        self,
        session: Session,
        request: Request,
        path: MitigatePath | ConfigPath,
        response: Response,
        *,
        now: float,
    ) -> Response:
        """Begin or end an observation."""
        if request.observe != REGISTER or not response.is_success or not self.terms.notify:
            self.observers.remove(session.number, request.token)
            return response
        self.observers.add(
            Observer(
                session=session.number,
                token=request.token,
                client=session.client,
                subject=path if isinstance(path, MitigatePath) else None,
                content=parse_content(request.queries),
                last_sent_at=now,
            )
        )
        return replace(response, observe=self.observers.next_sequence())

    # Time

    def advance(self, *, now: float, client: str | None = None) -> list[Notification]:
        """Let time pass for one client, or for all that are due.

        Returns the notifications to send.
        """
        due = self._agenda.take_due(now) if client is None else [client]
        return [notification for one in due for notification in self._advance_client(one, now)]

    def next_timer(self, *, now: float) -> float | None:
        """When `advance` and `heartbeats_due` must be called."""
        times = [self._agenda.next()]
        if self.terms.heartbeats:
            times.append(self._heartbeats.next())
        return min((max(time, now) for time in times if time is not None), default=None)

    def _advance_client(self, client: str, now: float) -> list[Notification]:
        self.advance_mitigations(client, now=now)
        silence = self._silences.get(client)
        if silence is not None and now >= silence.ends_at:
            del self._silences[client]
            self.lose_signal(client, now=now)
        notifications = self._notifications(client, now)
        self._agenda.set(client, self._next_client_timer(client, now))
        return notifications

    def _next_client_timer(self, client: str, now: float) -> float | None:
        times = [self.next_mitigation_timer(client, now=now)]
        if (silence := self._silences.get(client)) is not None:
            times.append(silence.ends_at)
        if self.terms.notify:
            times += [
                self._due_at(observer)
                for observer in self.observers.of_client(client)
                if self._is_wanted(observer)
            ]
        return min((time for time in times if time is not None), default=None)

    def _clients(self) -> set[str]:
        """All clients with a session, a mitigation, or a silence that is watched."""
        return {session.client for session in self.sessions.values()} | self._silences.keys()

    # Notifications

    def _notifications(self, client: str, now: float) -> list[Notification]:
        if not self.terms.notify:
            return []
        return [
            self._notification(observer, now)
            for observer in self.observers.of_client(client)
            if self._is_wanted(observer) and now >= self._due_at(observer)
        ]

    def _notification(self, observer: Observer, now: float) -> Notification:
        observer.has_news = False
        observer.last_sent_at = now
        self._notified_at[observer.session] = now
        if observer.subject is None:
            response = self.sessions[observer.session].configuration.news()
        else:
            response = self.notification_of(observer, observer.subject, now=now)
        if response.is_success:
            response = replace(response, observe=self.observers.next_sequence())
        else:
            self.observers.remove(observer.session, observer.token)
        return Notification(
            session=observer.session,
            token=observer.token,
            response=response,
            is_last=not response.is_success,
        )

    def _is_wanted(self, observer: Observer) -> bool:
        """Whether there is news, newer counters, or a changed configuration."""
        if observer.subject is None:
            return self.sessions[observer.session].configuration.has_changed
        return observer.has_news or self.is_worth_repeating(observer.client, observer.subject)

    def _due_at(self, observer: Observer) -> float:
        session = self.sessions[observer.session]
        due_at = observer.due_at(interval_s=self.terms.notify_interval_s, rtt_s=session.rtt_s)
        if session.rtt_s is None and observer.session in self._notified_at:
            due_at = max(due_at, self._notified_at[observer.session] + GAP_WITHOUT_RTT_S)
        return due_at
