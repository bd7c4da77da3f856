"""Perform one action for one mitigation with its provider, and save the outcome."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from dots_client import (
    AttackStatus,
    Client,
    DotsError,
    EncodeError,
    HopLimitReached,
    LocalProtocolError,
    clean_text,
)
from portal.mitigations import services
from portal.mitigations.models import Mitigation
from portal.mitigations.states import NOT_SENDABLE
from portal.signaling.actions import mids_in_use
from portal.signaling.actions.efficacy_update import EfficacyAnswer, send_efficacy_update
from portal.signaling.actions.next_action import Action, lifetime_to_ask
from portal.signaling.actions.put_request import (
    ANSWER_WITHIN_S,
    PutRequest,
    gateway_names,
    is_confirmed,
)
from portal.signaling.leasing import database_clock
from portal.signaling.mapping import scope_of
from portal.signaling.store.fenced_store import FencedStore, NotSaved
from portal.signaling.store.session_activity import RequestProgress, SessionActivity

logger = logging.getLogger(__name__)

RELEASE_LIFETIME_S: Final = 1


class MitigationActions:
    """For one subscription, across its sessions."""

    def __init__(self, store: FencedStore, *, on_cuid_replaced: Callable[[], None]) -> None:
        self.activity = SessionActivity(store)
        self.put_request = PutRequest(store, self.activity, on_cuid_replaced=on_cuid_replaced)
        self.store = store

    async def perform(self, client: Client, row: Mitigation, action: Action) -> bool:
        """Whether the provider now knows the mitigation on this session.

        A message that cannot be sent is an outcome, like a refusal. Raises NotSaved when only the
        fact of an answer is saved.
        """
        progress = RequestProgress()
        try:
            match action:
                case Action.REQUEST | Action.REFRESH:
                    return await self.put_request.put(client, row, action, progress)
                case Action.EFFICACY:
                    await self._update_efficacy(client, row, progress)
                case Action.WITHDRAW:
                    await self._withdraw(client, row, progress)
                case Action.RELEASE:
                    await self._release(client, row, progress)
        except (EncodeError, LocalProtocolError) as error:
            await self._not_sendable(row, action, error, progress)
            return is_confirmed(row)
        except (DotsError, TimeoutError):
            raise
        except Exception as error:
            # A defect of ours is an outcome too (ADR 24). `write_failure` and `_not_sendable` log
            # it with the trace.
            if progress.is_answered:
                await self.store.write_failure(row, error, is_answered=True)
                raise NotSaved(f"the answer to {action.name}") from error
            if progress.datagrams:
                raise
            await self._not_sendable(row, action, error, progress)
            return is_confirmed(row)
        return True

    async def _not_sendable(
        self, row: Mitigation, action: Action, error: Exception, progress: RequestProgress
    ) -> None:
        """Record that nothing was sent and that a retry would not help: the page shows it, the log
        tells staff.
        """
        logger.error("%s: %s cannot be sent", self.store.name(row), action.name, exc_info=error)
        reason, now = _why_not_sendable(error), database_clock.now()
        never_encoded = isinstance(error, EncodeError) and row.confirmed_at is None
        try:
            match action:
                case Action.WITHDRAW | Action.RELEASE:
                    await self.store.write(
                        services.record_end_not_sendable,
                        mitigation_id=row.pk,
                        reason=reason,
                        now=now,
                    )
                case Action.EFFICACY:
                    await self._efficacy_answered(row, EfficacyAnswer(code=NOT_SENDABLE))
                case _:
                    await self.store.write(
                        services.record_not_sendable,
                        mitigation_id=row.pk,
                        reason=reason,
                        never_left=never_encoded or not (row.sent_at or progress.datagrams),
                        extended_at=row.refresh_asked_at,
                        now=now,
                    )
        except DotsError:
            raise
        except Exception as failure:
            # The row that cannot be encoded may also break the service; `write_failure` logs the
            # trace.
            await self.store.write_failure(row, failure, is_answered=False)
            raise NotSaved(f"that {action.name} cannot be sent") from failure

    async def _update_efficacy(
        self, client: Client, row: Mitigation, progress: RequestProgress
    ) -> None:
        if row.efficacy is None or row.efficacy_asked_at is None:
            return
        scope = scope_of(row, lifetime_s=lifetime_to_ask(row, database_clock.now()))
        with self.activity.tracking(row, progress):
            answer = await send_efficacy_update(client, row.mid, scope, AttackStatus(row.efficacy))
        await self._efficacy_answered(row, answer)

    async def _efficacy_answered(self, row: Mitigation, answer: EfficacyAnswer) -> None:
        assert row.efficacy_asked_at is not None
        await self.store.write(
            services.record_efficacy_answered,
            mitigation_id=row.pk,
            asked_at=row.efficacy_asked_at,
            is_accepted=answer.is_accepted,
            code=answer.code,
            reason=answer.reason,
            retry_after_s=answer.retry_after_s,
            now=database_clock.now(),
        )

    async def _withdraw(self, client: Client, row: Mitigation, progress: RequestProgress) -> None:
        if await mids_in_use.is_of_another(client, row):
            await self.store.write(
                services.record_forgotten, mitigation_id=row.pk, now=database_clock.now()
            )
            return
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                with self.activity.tracking(row, progress):
                    await client.withdraw(row.mid)
        except HopLimitReached as error:
            await self.store.write(
                services.record_end_in_loop,
                mitigation_id=row.pk,
                gateways=gateway_names(error),
                now=database_clock.now(),
            )
            return
        await self.store.write(
            services.record_withdrawal_confirmed, mitigation_id=row.pk, now=database_clock.now()
        )

    async def _release(self, client: Client, row: Mitigation, progress: RequestProgress) -> None:
        """End the mitigation by a lifetime of a second.

        The next status report shows the outcome.
        """
        scope = scope_of(row, lifetime_s=RELEASE_LIFETIME_S)
        client.check_request(row.mid, scope)
        if not await self.store.write(
            services.record_release, mitigation_id=row.pk, now=database_clock.now()
        ):
            return
        async with asyncio.timeout(ANSWER_WITHIN_S):
            with self.activity.tracking(row, progress) as on_sent:
                await client.request(row.mid, scope, on_sent=on_sent)


def _why_not_sendable(error: Exception) -> str:
    """The client's error text; empty for a defect, which only the log describes."""
    if isinstance(error, EncodeError):
        return clean_text(error.reason)
    return clean_text(str(error)) if isinstance(error, LocalProtocolError) else ""
