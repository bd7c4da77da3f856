"""One exchange with a provider about one mitigation: say it, and write down what came back."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from dots_client import (
    AttackStatus,
    Client,
    ConflictCause,
    Conflicted,
    DotsError,
    EncodeError,
    HopLimitReached,
    LocalProtocolError,
    MitigationReport,
    Redirected,
    Refused,
    Scope,
    ServerUnavailable,
    UnexpectedAnswer,
    clean_text,
)
from portal.mitigations import queries, services
from portal.mitigations.models import Mitigation
from portal.mitigations.states import CONFIRMED, NOT_SENDABLE
from portal.signaling import database_clock, efficacy_update, mids_in_use, session_status
from portal.signaling.database_threads import DatabaseThreads
from portal.signaling.fenced_store import NotSaved
from portal.signaling.identity import replace_cuid
from portal.signaling.lease_fence import LeaseFence
from portal.signaling.mapping import conflict_words, scope_of
from portal.signaling.next_action import Action, lifetime_to_ask
from portal.signaling.retry_after import NOT_FOLLOWED_RETRY_S, UNEXPECTED_RETRY_S, bounded_wait_s
from portal.signaling.status_reports import StatusReports

logger = logging.getLogger(__name__)

ANSWER_WITHIN_S: Final = 30.0
"""A refresh or withdrawal without an answer by then has failed: it is retried, and polls go on meanwhile."""
LET_GO_LIFETIME_S: Final = 1
HEARD_EVERY_S: Final = 4.0


@dataclass(slots=True)
class Progress:
    """The progress of one exchange."""

    datagrams: int = 0
    "sent with the request"
    is_answered: bool = False


class MitigationActions(StatusReports):
    """Speaks for one subscription while `owner` holds it."""

    def __init__(
        self,
        *,
        subscription_id: UUID,
        owner: str,
        threads: DatabaseThreads,
        fence: LeaseFence,
        on_cuid_replaced: Callable[[], None],
    ) -> None:
        super().__init__(subscription_id=subscription_id, owner=owner, threads=threads, fence=fence)
        self._on_cuid_replaced = on_cuid_replaced
        self.on_mid_in_use: Callable[[], None] = _ignore
        "called when the provider holds more than the rows say"
        self._datagrams: Counter[UUID] = Counter()
        self._heard_noted_at = float("-inf")

    async def perform(self, client: Client, row: Mitigation, action: Action) -> bool:
        """Whether the provider now knows the mitigation on this session.

        A message that cannot be sent is an outcome, like a refusal. Raises NotSaved when only the fact of an answer is saved.
        """
        asking = Progress()
        try:
            match action:
                case Action.REQUEST | Action.REFRESH:
                    return await self._put(client, row, action, asking)
                case Action.EFFICACY:
                    await self._tell_efficacy(client, row, asking)
                case Action.WITHDRAW:
                    await self._withdraw(client, row, asking)
                case Action.LET_GO:
                    await self._let_go(client, row, asking)
        except (EncodeError, LocalProtocolError) as error:
            await self._not_sendable(row, action, error, asking)
            return _is_held(row)
        except (DotsError, TimeoutError):
            raise
        except Exception as error:
            # A defect of ours is an outcome too (ADR 24). `_mark` and `_not_sendable` log it with the trace.
            if asking.is_answered:
                await self._mark(row, error, is_answered=True)
                raise NotSaved(f"the answer to {action.name}") from error
            if asking.datagrams:
                raise
            await self._not_sendable(row, action, error, asking)
            return _is_held(row)
        return True

    async def _put(self, client: Client, row: Mitigation, action: Action, asking: Progress) -> bool:
        asked_at = database_clock.now()
        scope = scope_of(row, lifetime_s=lifetime_to_ask(row, asked_at))
        client.check_request(row.mid, scope)
        # Not fenced: that a copy may have left is never wrong, and this stands between a person and the wire.
        if action == Action.REQUEST and not await self.until_done_first(
            services.record_sending, mitigation_id=row.pk, now=asked_at
        ):
            return False
        try:
            async with self._asking(row, asking) as on_sent:
                report = await self._request(client, row, scope, action, asked_at, on_sent)
        except Refused as error:
            if error.retry_after_s is None:
                return await self._refused(client, row, action, error, asking)
            # 4.29 asks for a pause and refuses nothing (RFC 8516 section 4).
            await self._unavailable(row, error.code, error.diagnostic, error.retry_after_s)
            return _is_held(row)
        except Redirected as error:
            if client.is_sent_elsewhere:
                return False  # the next session, with the server it names, asks again at once
            # How long the redirection holds is no time to wait for one that leads nowhere.
            await self._unavailable(row, error.code, error.diagnostic, NOT_FOLLOWED_RETRY_S)
            return _is_held(row)
        except ServerUnavailable as error:
            await self._unavailable(row, error.code, error.diagnostic, error.retry_after_s)
            return _is_held(row)
        except UnexpectedAnswer as error:
            await self._unavailable(row, error.code, "", UNEXPECTED_RETRY_S)
            return _is_held(row)
        else:
            await self.write(
                services.record_confirmed,
                mitigation_id=row.pk,
                lifetime_s=report.lifetime,
                conflict=None if report.conflict is None else conflict_words(report.conflict),
                asked_at=max(asked_at, row.refresh_asked_at or asked_at),
                extended_at=row.refresh_asked_at,
                now=database_clock.now(),
            )
        return True

    async def _request(
        self,
        client: Client,
        row: Mitigation,
        scope: Scope,
        action: Action,
        asked_at: datetime,
        on_sent: Callable[[int], None],
    ) -> MitigationReport:
        """The PUT. That it was sent is written beside it, not before it: seconds count on the wire."""
        put = client.request(row.mid, scope, on_sent=on_sent)
        if action != Action.REQUEST:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                return await put
        answer = asyncio.ensure_future(put)
        try:
            await asyncio.sleep(0)
            if answer.done() and answer.exception():
                return answer.result()
            await self.write(services.record_sent, mitigation_id=row.pk, now=asked_at)
            return await answer
        finally:
            answer.cancel()

    @asynccontextmanager
    async def _asking(
        self, row: Mitigation, asking: Progress
    ) -> AsyncIterator[Callable[[int], None]]:
        """Counts the datagrams of one request, and notes that it was answered."""
        asking.datagrams, asking.is_answered = 0, False

        def on_sent(_count: int) -> None:
            asking.datagrams += 1
            self._datagrams[row.pk] += 1

        try:
            yield on_sent
        except (Refused, ServerUnavailable, UnexpectedAnswer):
            asking.is_answered = True
            raise
        asking.is_answered = True

    async def _not_sendable(
        self, row: Mitigation, action: Action, error: Exception, asking: Progress
    ) -> None:
        """Record that nothing was sent and that a retry would not help: the page shows it, the log tells staff."""
        logger.error("%s: %s cannot be sent", self._name(row), action.name, exc_info=error)
        reason, now = _why_not_sendable(error), database_clock.now()
        never_encoded = isinstance(error, EncodeError) and row.confirmed_at is None
        try:
            match action:
                case Action.WITHDRAW | Action.LET_GO:
                    await self.write(
                        services.record_end_not_sendable,
                        mitigation_id=row.pk,
                        reason=reason,
                        now=now,
                    )
                case Action.EFFICACY:
                    await self._efficacy_answered(
                        row, efficacy_update.EfficacyAnswer(code=NOT_SENDABLE)
                    )
                case _:
                    await self.write(
                        services.record_not_sendable,
                        mitigation_id=row.pk,
                        reason=reason,
                        never_left=never_encoded or not (row.sent_at or asking.datagrams),
                        extended_at=row.refresh_asked_at,
                        now=now,
                    )
        except DotsError:
            raise
        except Exception as failure:
            # The row that cannot be encoded may also break the service; `_mark` logs the trace.
            await self._mark(row, failure, is_answered=False)
            raise NotSaved(f"that {action.name} cannot be sent") from failure

    async def _refused(
        self, client: Client, row: Mitigation, action: Action, error: Refused, asking: Progress
    ) -> bool:
        refusal = await mids_in_use.classify_refusal(client, row, error, self._row_of)
        if refusal.is_of_the_mid and await self._take_higher_mid(row, refusal):
            return await self._put(client, row, action, asking)
        if isinstance(error, Conflicted):
            return await self._conflicted(client, row, error)
        in_loop = _names_of(error) if isinstance(error, HopLimitReached) else None
        await self.write(
            services.record_refused,
            mitigation_id=row.pk,
            code=error.code,
            reason=error.diagnostic if in_loop is None else in_loop,
            extended_at=row.refresh_asked_at,
            now=database_clock.now(),
        )
        if refusal.is_of_the_mid is None:
            # The server would refuse the same message again, so the next try uses another mid.
            await self._take_higher_mid(row, refusal)
        return _is_held(row)

    async def _row_of(self, mid: int) -> Mitigation | None:
        own = await self.until_done(queries.mitigations_by_mid, self.subscription_id, [mid])
        return own.get(mid)

    async def _take_higher_mid(self, row: Mitigation, refusal: mids_in_use.Refusal) -> bool:
        """Give `row` a higher mid; False when it keeps its own."""
        mid = await self.write(
            services.take_higher_mid,
            mitigation_id=row.pk,
            refused_mid=row.mid,
            to=refusal.next_mid,
            is_listed=refusal.is_listed,
            is_in_use=bool(refusal.is_of_the_mid),
            now=database_clock.now(),
        )
        if mid is None:
            return False
        logger.warning("subscription %s: mid %s becomes %s", self.subscription_id, row.mid, mid)
        row.mid = mid
        self.on_mid_in_use()
        return True

    async def _conflicted(self, client: Client, row: Mitigation, error: Conflicted) -> bool:
        conflict, words, now = error.conflict, conflict_words(error.conflict), database_clock.now()
        if conflict.cause == ConflictCause.CUID_COLLISION and await self.write(
            replace_cuid, self.subscription_id, collided=client.cuid
        ):
            logger.warning("subscription %s: cuid collision, took a new one", self.subscription_id)
            await self.write(services.record_identity_replaced, mitigation_id=row.pk, now=now)
            self._on_cuid_replaced()
            return False
        if conflict.mid is not None and row.confirmed_at is not None:
            await self.write(
                services.record_superseded, mitigation_id=row.pk, conflict=words, now=now
            )
        else:
            await self.write(
                services.record_refused,
                mitigation_id=row.pk,
                code=error.code,
                reason=str(words["reason"]),
                conflict=words,
                retry_after_s=conflict.retry_timer_s,
                extended_at=row.refresh_asked_at,
                now=now,
            )
        return _is_held(row)

    async def _unavailable(
        self,
        row: Mitigation,
        code: str,
        reason: str,
        retry_after_s: int,
    ) -> None:
        delay = timedelta(seconds=bounded_wait_s(retry_after_s))
        now = database_clock.now()
        await self.write(
            services.record_unavailable,
            mitigation_id=row.pk,
            code=code,
            reason=reason,
            retry_at=now + delay,
            now=now,
        )

    async def _tell_efficacy(self, client: Client, row: Mitigation, asking: Progress) -> None:
        if row.efficacy is None or row.efficacy_asked_at is None:
            return
        scope = scope_of(row, lifetime_s=lifetime_to_ask(row, database_clock.now()))
        async with self._asking(row, asking):
            answer = await efficacy_update.send_efficacy_update(
                client, row.mid, scope, AttackStatus(row.efficacy)
            )
        await self._efficacy_answered(row, answer)

    async def _efficacy_answered(
        self, row: Mitigation, answer: efficacy_update.EfficacyAnswer
    ) -> None:
        assert row.efficacy_asked_at is not None
        await self.write(
            services.record_efficacy_answered,
            mitigation_id=row.pk,
            asked_at=row.efficacy_asked_at,
            is_accepted=answer.is_accepted,
            code=answer.code,
            reason=answer.reason,
            retry_after_s=answer.retry_after_s,
            now=database_clock.now(),
        )

    async def _withdraw(self, client: Client, row: Mitigation, asking: Progress) -> None:
        if await mids_in_use.is_of_another(client, row):
            await self.write(
                services.record_forgotten, mitigation_id=row.pk, now=database_clock.now()
            )
            return
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S), self._asking(row, asking):
                await client.withdraw(row.mid)
        except HopLimitReached as error:
            await self.write(
                services.record_end_in_loop,
                mitigation_id=row.pk,
                gateways=_names_of(error),
                now=database_clock.now(),
            )
            return
        await self.write(
            services.record_withdrawal_confirmed, mitigation_id=row.pk, now=database_clock.now()
        )

    async def _let_go(self, client: Client, row: Mitigation, asking: Progress) -> None:
        """The next status report shows the outcome."""
        scope = scope_of(row, lifetime_s=LET_GO_LIFETIME_S)
        client.check_request(row.mid, scope)
        if not await self.write(
            services.record_let_go, mitigation_id=row.pk, now=database_clock.now()
        ):
            return
        async with asyncio.timeout(ANSWER_WITHIN_S), self._asking(row, asking) as on_sent:
            await client.request(row.mid, scope, on_sent=on_sent)

    async def flush(self, *, heard_s: float) -> None:
        """Write down how many datagrams left with each request and that the provider was heard `heard_s` ago."""
        sent, self._datagrams = self._datagrams, Counter()
        for mitigation_id, times in sent.items():
            await self.write(
                services.record_sends,
                mitigation_id=mitigation_id,
                times=times,
                now=database_clock.now(),
            )
        loop_time = asyncio.get_running_loop().time()
        heard_at = loop_time - heard_s
        if heard_at > self._heard_noted_at + HEARD_EVERY_S:
            self._heard_noted_at = heard_at
            await self.until_done(
                session_status.record_heard,
                subscription_id=self.subscription_id,
                owner=self._owner,
                now=database_clock.now() - timedelta(seconds=heard_s),
            )


def _ignore() -> None:
    """Ignore it."""


def _names_of(loop: HopLimitReached) -> str:
    """Each gateway once, though the request passed it several times."""
    return ", ".join(dict.fromkeys(loop.gateways))


def _why_not_sendable(error: Exception) -> str:
    """The error in the client's words; empty for a defect, which only the log describes."""
    if isinstance(error, EncodeError):
        return clean_text(error.reason)
    return clean_text(str(error)) if isinstance(error, LocalProtocolError) else ""


def _is_held(row: Mitigation) -> bool:
    """After a no: the provider still holds what it confirmed before, if it did."""
    return row.status in CONFIRMED
