"""The signal channel of a server (RFC 9132), without a network."""

from __future__ import annotations

from dots_client import MitigationStatus
from dots_client.server import Content, MitigatePath, parse_content
from dots_server.export import RegisterExport, exported
from dots_server.messages import Request, Response
from dots_server.mitigate import MitigateResource
from dots_server.mitigation import Mitigation
from dots_server.mitigator import Mitigator
from dots_server.observers import Observer
from dots_server.policy import Policy
from dots_server.register import Register
from dots_server.sessions import Session
from dots_server.signal_endpoint import SignalEndpoint, Silence
from dots_server.terms import Terms


class SignalChannel(SignalEndpoint):
    """The whole state of a server: its sessions, and the mitigations of its clients."""

    def __init__(self, *, mitigator: Mitigator, policy: Policy, terms: Terms | None = None) -> None:
        super().__init__(policy=policy, terms=terms or Terms())
        self._mitigate = MitigateResource(
            mitigator=mitigator, policy=policy, terms=self.terms, on_news=self._on_news
        )

    @property
    def register(self) -> Register:
        """For reading. Use the methods here to change it."""
        return self._mitigate.register

    def set_terms(self, terms: Terms) -> None:
        super().set_terms(terms)
        self._mitigate.terms = terms

    # What the operator decides

    def impose(
        self,
        mitigation: Mitigation,
        status: MitigationStatus,
        *,
        now: float,
        retry_timer_s: int | None = None,
    ) -> None:
        """Set the status of a mitigation, whatever its mitigator reports.

        `retry_timer_s`: status 7 is due to a conflict, and the client may retry after this time.
        """
        mitigation.impose(status, now=now, retry_timer_s=retry_timer_s)

    def forget_mitigations(self) -> None:
        """Remove all of them. Observers get a 4.04."""
        for held in self.register:
            self._mitigate.remove(held)

    def forget_everything(self) -> None:
        """Remove sessions and cuids too, as a crash does."""
        for number in tuple(self.sessions):
            self.close_session(number)
        self.forget_mitigations()
        self.register.forget_cuids()
        self._silences.clear()

    # A restart

    def export(self, *, now: float) -> RegisterExport:
        """The state for the next run: mitigations, cuids, and the silence allowed to clients."""
        allowed_s = {client: silence.allowed_s for client, silence in self._silences.items()}
        return exported(self.register, allowed_s, now=now)

    def restore(self, export: RegisterExport, *, now: float) -> None:
        """Continue an earlier run. ValueError if this one already holds mitigations.

        The time between the two runs counts for lifetimes and terminating periods. It does not
        count as silence of the clients, which had no server to talk to.
        """
        if any(True for _ in self.register):
            raise ValueError("an export can only be restored into an empty register")
        for cuid, client in export.cuid_owners.items():
            self.register.assign_cuid(cuid, client)
        for mitigation in export.mitigations:
            self._mitigate.restore(mitigation, now=now)
        for client, allowed_s in export.silence_allowed_s.items():
            self._expect(client, Silence(since=now, allowed_s=allowed_s))

    # The resource `mitigate`

    def answer_mitigate(
        self, session: Session, request: Request, path: MitigatePath, *, now: float
    ) -> Response | None:
        # A cdid from a client itself is ignored: no gateway is trusted here.
        match request.method:
            case "GET":
                content = parse_content(request.queries)
                return self.read_mitigations(session.client, path, content, now=now)
            case "DELETE":
                return self._mitigate.delete(path, session.client, now=now)
            case _:
                return self._mitigate.put(request, path, session.client, now=now)

    def read_mitigations(
        self, client: str, path: MitigatePath, content: Content, *, now: float
    ) -> Response:
        """The reports in the answer to a GET and in a notification."""
        return self._mitigate.get(path, client, content, now=now)

    def notification_of(self, observer: Observer, subject: MitigatePath, *, now: float) -> Response:
        response = self.read_mitigations(observer.client, subject, observer.content, now=now)
        for held in self.register.of_cuid(observer.client, subject.cuid, subject.mid):
            held.notified()
        return response

    def is_worth_repeating(self, client: str, subject: MitigatePath) -> bool:
        return any(
            held.is_worth_repeating
            for held in self.register.of_cuid(client, subject.cuid, subject.mid)
        )

    def is_mitigating_for(self, client: str) -> bool:
        return self.register.is_mitigating_for(client)

    def lose_signal(self, client: str, *, now: float) -> None:
        self._mitigate.lose_signal(client, now=now)

    def advance_mitigations(self, client: str, *, now: float) -> None:
        self._mitigate.advance(client, now=now)

    def next_mitigation_timer(self, client: str, *, now: float) -> float | None:
        return self._mitigate.next_timer(client, now=now)

    def _clients(self) -> set[str]:
        return super()._clients() | {held.client for held in self.register}

    def _on_news(self, mitigation: Mitigation) -> None:
        self.observers.mark(mitigation.client, mitigation.cuid, mitigation.mid)
        self.touch(mitigation.client)
