"""Send an efficacy update and read the provider's answer (RFC 9132 section 4.4.3)."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from dots_client import (
    AttackStatus,
    Client,
    Conflicted,
    Redirected,
    Refused,
    RemoteProtocolError,
    Scope,
    ServerUnavailable,
)
from portal.signaling.retry_after import NOT_FOLLOWED_RETRY_S, bounded_wait_s

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class EfficacyAnswer:
    """The provider's answer. Neither accepted nor with a code: there was none."""

    is_accepted: bool = False
    code: str = ""
    reason: str = ""
    retry_after_s: int | None = None
    "seconds that it asked us to wait; None: its answer is final"


async def send_efficacy_update(
    client: Client, mid: int, scope: Scope, status: AttackStatus
) -> EfficacyAnswer:
    """Raises SessionClosed, and the errors of `Client.efficacy` for an update that must not be
    sent.
    """
    try:
        report = await client.efficacy(mid, scope, status)
    except Conflicted as error:
        # The diagnostic is in the client's words, not the provider's.
        return EfficacyAnswer(
            code=error.code, retry_after_s=bounded_wait_s(error.conflict.retry_timer_s)
        )
    except Redirected as error:
        # The lifetime of a redirection is not a pause before the next try.
        return EfficacyAnswer(code=error.code, retry_after_s=NOT_FOLLOWED_RETRY_S)
    except (Refused, ServerUnavailable) as error:
        wait_s = bounded_wait_s(error.retry_after_s)
        return EfficacyAnswer(code=error.code, reason=error.diagnostic, retry_after_s=wait_s)
    except RemoteProtocolError as error:
        logger.warning("mid %s: the answer to an efficacy update cannot be read: %s", mid, error)
        return EfficacyAnswer()
    return EfficacyAnswer(is_accepted=report is not None)
