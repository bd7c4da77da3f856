"""PUT a mitigation request or its refresh, and save the provider's answer (RFC 9132 sections 4.4.1
and 4.4.3).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any, Final

from dots_client import (
    Client,
    ConflictCause,
    Conflicted,
    HopLimitReached,
    MitigationReport,
    Redirected,
    Refused,
    Scope,
    ServerUnavailable,
    UnexpectedAnswer,
)
from portal.core.metrics import SUBMIT_TO_WIRE
from portal.mitigations import queries, services
from portal.mitigations.models import Mitigation
from portal.mitigations.states import CONFIRMED
from portal.signaling.actions import mids_in_use
from portal.signaling.actions.next_action import Action, lifetime_to_ask
from portal.signaling.connection_settings import replace_cuid
from portal.signaling.leasing import database_clock
from portal.signaling.mapping import conflict_of, scope_of
from portal.signaling.retry_after import (
    NOT_FOLLOWED_RETRY_S,
    UNEXPECTED_RETRY_S,
    bounded_wait_s,
)
from portal.signaling.store.fenced_store import FencedStore
from portal.signaling.store.grouped_writes import Recorded
from portal.signaling.store.session_activity import RequestProgress, SessionActivity

logger = logging.getLogger(__name__)

ANSWER_WITHIN_S: Final = 30.0
"""A refresh or withdrawal without an answer by then has failed: it is retried, and polls continue
meanwhile.
"""
SENT_SHOWN_WITHIN_S: Final = 1.0
"""The event that a request was sent is saved with the answer, or on its own after this time. The
row says before the first datagram that a copy may have been sent.
"""


class PutRequest:
    """For one subscription, across its sessions."""

    def __init__(
        self, store: FencedStore, activity: SessionActivity, *, on_cuid_replaced: Callable[[], None]
    ) -> None:
        self._store = store
        self._activity = activity
        self._on_cuid_replaced = on_cuid_replaced
        self._saving: set[asyncio.Task[None]] = set()
        self.on_mid_in_use: Callable[[], None] = _ignore
        "called when the provider holds more than the rows say"

    async def put(
        self, client: Client, row: Mitigation, action: Action, progress: RequestProgress
    ) -> bool:
        """Whether the provider now knows the mitigation on this session."""
        asked_at = database_clock.now()
        scope = scope_of(row, lifetime_s=lifetime_to_ask(row, asked_at))
        client.check_request(row.mid, scope)
        # Not fenced: that a copy may have been sent is never wrong, and a person waits for the
        # request.
        recorded: Recorded | None = None
        if action == Action.REQUEST:
            recorded = await self._store.record_sending(row, asked_at)
            if recorded is None:
                return False
        try:
            return await self._ask(client, row, scope, action, asked_at, recorded, progress)
        except asyncio.CancelledError:
            # Whatever was being saved may be saved or not; the event is written only once.
            if recorded is not None and progress.datagrams and not progress.is_sent_saved:
                progress.is_sent_saved = True
                self._save_behind(self._store.record_sent(row, asked_at))
            raise

    async def _ask(
        self,
        client: Client,
        row: Mitigation,
        scope: Scope,
        action: Action,
        asked_at: datetime,
        recorded: Recorded | None,
        progress: RequestProgress,
    ) -> bool:
        """Send the PUT and save its answer."""
        # A PUT with a higher mid follows one that was sent.
        is_first = action == Action.REQUEST and not (is_sent(row) or progress.datagrams)
        try:
            with self._activity.tracking(row, progress) as on_sent:
                if is_first:
                    on_sent = _measuring(row, on_sent)
                report = await self._send(client, row, scope, action, asked_at, on_sent, progress)
        except Refused as error:
            if error.retry_after_s is None:
                return await self._refused(client, row, action, error, progress)
            # 4.29 asks for a pause and refuses nothing (RFC 8516 section 4).
            return await self._unavailable(row, error.code, error.diagnostic, error.retry_after_s)
        except Redirected as error:
            if client.is_sent_elsewhere:
                return False  # the next session, with the server it names, asks again at once
            # The lifetime of a redirection is not a pause before retrying one that leads nowhere.
            return await self._unavailable(row, error.code, error.diagnostic, NOT_FOLLOWED_RETRY_S)
        except ServerUnavailable as error:
            return await self._unavailable(row, error.code, error.diagnostic, error.retry_after_s)
        except UnexpectedAnswer as error:
            return await self._unavailable(row, error.code, "", UNEXPECTED_RETRY_S)
        sent_at = None if recorded is None or progress.is_sent_saved else asked_at
        if not await self._confirmed_as_known(row, report, asked_at, sent_at, recorded):
            await self._confirmed(row, report, asked_at, sent_at=sent_at)
        return True

    async def _send(
        self,
        client: Client,
        row: Mitigation,
        scope: Scope,
        action: Action,
        asked_at: datetime,
        on_sent: Callable[[int], None],
        progress: RequestProgress,
    ) -> MitigationReport:
        put = client.request(row.mid, scope, on_sent=on_sent)
        if action != Action.REQUEST:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                return await put
        answer = asyncio.ensure_future(put)
        try:
            await asyncio.wait({answer}, timeout=SENT_SHOWN_WITHIN_S)
            if answer.done() and (answer.exception() is None or not progress.datagrams):
                return answer.result()
            saving = asyncio.create_task(self._store.record_sent(row, asked_at))
            try:
                await asyncio.wait({answer, saving}, return_when=asyncio.FIRST_COMPLETED)
                # A confirmation that arrives meanwhile is saved with the event.
                if not (_is_confirmed(answer) and self._store.drop_sent(row)):
                    await saving
                    progress.is_sent_saved = True
            finally:
                saving.cancel()
            return await answer
        finally:
            answer.cancel()

    def _save_behind(self, saving: Coroutine[Any, Any, None]) -> None:
        """Save it although the action was cancelled, as when a withdrawal interrupts it."""
        task = asyncio.create_task(saving)
        self._saving.add(task)
        task.add_done_callback(self._saved_behind)

    def _saved_behind(self, task: asyncio.Task[None]) -> None:
        self._saving.discard(task)
        if not task.cancelled() and (error := task.exception()):
            logger.warning("%s: not saved that it was sent: %s", self._store.name(), error)

    async def _confirmed_as_known(
        self,
        row: Mitigation,
        report: MitigationReport,
        asked_at: datetime,
        sent_at: datetime | None,
        recorded: Recorded | None,
    ) -> bool:
        """Save it with those of other requests, if nothing but the confirmation is to be decided
        and the row is as it was when the request was sent.
        """
        version = None if recorded is None else recorded.version
        if version is None or report.conflict is not None or not services.changes_status_only(row):
            return False
        if sent_at is not None and row.sent_at is not None:
            return False  # the log may have the event of an earlier copy
        sends = self._activity.take_sends(row.pk)
        confirmation = services.Confirmation(
            mitigation_id=row.pk,
            request_id=row.request_id,
            subscription_id=row.subscription_id,
            version=version,
            asked_at=asked_at,
            sent_at=sent_at,
            sends=sends,
            lifetime_s=report.lifetime,
            at=database_clock.now(),
        )
        is_saved = await self._store.record_confirmation(row, confirmation)
        if not is_saved:
            self._activity.give_back(row.pk, sends)
        return is_saved

    async def _confirmed(
        self,
        row: Mitigation,
        report: MitigationReport,
        asked_at: datetime,
        *,
        sent_at: datetime | None,
    ) -> None:
        await self._store.write(
            services.record_confirmed,
            mitigation_id=row.pk,
            lifetime_s=report.lifetime,
            conflict=None if report.conflict is None else conflict_of(report.conflict),
            asked_at=max(asked_at, row.refresh_asked_at or asked_at),
            extended_at=row.refresh_asked_at,
            sent_at=sent_at,
            sends=self._activity.take_sends(row.pk),
            now=database_clock.now(),
        )

    async def _refused(
        self,
        client: Client,
        row: Mitigation,
        action: Action,
        error: Refused,
        progress: RequestProgress,
    ) -> bool:
        refusal = await mids_in_use.classify_refusal(client, row, error, self._row_of)
        if refusal.is_of_the_mid and await self._take_higher_mid(row, refusal):
            return await self.put(client, row, action, progress)
        if isinstance(error, Conflicted):
            return await self._conflicted(client, row, error)
        in_loop = gateway_names(error) if isinstance(error, HopLimitReached) else None
        await self._store.write(
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
        return is_confirmed(row)

    async def _row_of(self, mid: int) -> Mitigation | None:
        rows = await self._store.run(queries.mitigations_by_mid, self._store.subscription_id, [mid])
        return rows.get(mid)

    async def _take_higher_mid(self, row: Mitigation, refusal: mids_in_use.Refusal) -> bool:
        """Give `row` a higher mid; False when it keeps its own."""
        mid = await self._store.write(
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
        logger.warning("%s: mid %s becomes %s", self._store.name(), row.mid, mid)
        row.mid = mid
        self.on_mid_in_use()
        return True

    async def _conflicted(self, client: Client, row: Mitigation, error: Conflicted) -> bool:
        conflict, now = error.conflict, database_clock.now()
        fields = conflict_of(conflict)
        if conflict.cause == ConflictCause.CUID_COLLISION and await self._store.write(
            replace_cuid, self._store.subscription_id, collided=client.cuid
        ):
            logger.warning("%s: cuid collision, took a new one", self._store.name())
            await self._store.write(
                services.record_identity_replaced, mitigation_id=row.pk, now=now
            )
            self._on_cuid_replaced()
            return False
        if conflict.mid is not None and row.confirmed_at is not None:
            await self._store.write(
                services.record_superseded, mitigation_id=row.pk, conflict=fields, now=now
            )
        else:
            await self._store.write(
                services.record_refused,
                mitigation_id=row.pk,
                code=error.code,
                reason="",
                conflict=fields,
                retry_after_s=conflict.retry_timer_s,
                extended_at=row.refresh_asked_at,
                now=now,
            )
        return is_confirmed(row)

    async def _unavailable(
        self, row: Mitigation, code: str, reason: str, retry_after_s: int
    ) -> bool:
        now = database_clock.now()
        await self._store.write(
            services.record_unavailable,
            mitigation_id=row.pk,
            code=code,
            reason=reason,
            retry_at=now + timedelta(seconds=bounded_wait_s(retry_after_s)),
            now=now,
        )
        return is_confirmed(row)


def gateway_names(loop: HopLimitReached) -> str:
    """Each gateway once, although the request passed it several times."""
    return ", ".join(dict.fromkeys(loop.gateways))


def is_sent(row: Mitigation) -> bool:
    """Whether a copy was sent since the portal last began to ask."""
    return row.sent_at is not None and row.sent_at >= row.asked_at


def _is_confirmed(answer: asyncio.Future[MitigationReport]) -> bool:
    return answer.done() and answer.exception() is None


def _measuring(row: Mitigation, on_sent: Callable[[int], None]) -> Callable[[int], None]:
    """The same function, which also observes how long the first datagram had to wait."""

    def measure(count: int) -> None:
        on_sent(count)
        if count == 1:
            waited = database_clock.now() - row.asked_at
            SUBMIT_TO_WIRE.observe(max(0.0, waited.total_seconds()))

    return measure


def is_confirmed(row: Mitigation) -> bool:
    """After a refusal the provider still holds what it confirmed before, if it did."""
    return row.status in CONFIRMED


def _ignore() -> None:
    """The default callback."""
