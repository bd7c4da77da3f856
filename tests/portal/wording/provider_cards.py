"""Providers in every status, and what their cards say."""

from __future__ import annotations

from datetime import UTC, datetime

from portal.mitigations.causes import Cause
from portal.mitigations.states import NOT_SENDABLE, Status
from tests.portal.wording.facts import (
    DOWN,
    MITIGATING,
    ago,
    mitigation,
)  # fmt: skip

CARDS = [
    (
        mitigation(
            "Northgate",
            Status.REFUSED,
            ended_at=ago(60),
            retry_at=ago(-30),
            refusal="It would block addresses on your accept list.",
        ),
        "Northgate refused at 03:26:41.",
        "It would block addresses on your accept list. Retrying at 03:28:11.",
    ),
    (
        mitigation(
            "Northgate",
            Status.REFUSED,
            refusal_code="5.08",
            ended_at=ago(60),
            refusal="It looped through edge-1.",
        ),
        "The request did not reach Northgate.",
        "It looped through edge-1."
        " The portal does not retry Northgate automatically. Ask it again when they have fixed it.",
    ),
    (
        mitigation(
            "Northgate",
            Status.TERMINATING,
            withdrawal_asked_at=ago(60),
            refusal_code="5.08",
            refusal="It looped through edge-1.",
            retry_at=ago(-20),
        ),
        "Stop request not delivered yet.",
        "It looped through edge-1. Northgate may still be filtering. Retrying at 03:28:01.",
    ),
    (
        mitigation("Northgate", Status.MITIGATING, unknown_report=9, **MITIGATING),
        "Northgate reports status 9, which the portal does not know.",
        "Previous status: mitigating.",
    ),
    (
        mitigation("Northgate", Status.STANDBY, is_plan=True, unknown_report=0),
        "Northgate reports status 0, which the portal does not know.",
        "Previous status: standby.",
    ),
    (
        mitigation("Northgate", Status.TERMINATED, ended_at=ago(60), unknown_report=9),
        "Confirmed at 03:26:41 that it stopped.",
        "",
    ),
    (mitigation("Tidewall", None), "Not asked.", ""),
    (
        mitigation("Tidewall", None, why_not="Tidewall may protect only 2001:db8::/32"),
        "Not asked.",
        "Tidewall may protect only 2001:db8::/32.",
    ),
    (
        mitigation("Tidewall", Status.PENDING, sent_at=ago(3), asked_by="dana"),
        "Asked by dana, sent at 03:27:38.",
        "Waiting for its first answer.",
    ),
    (
        mitigation(
            "Tidewall",
            Status.TERMINATED,
            ended_at=ago(9),
            withdrawn_by="dana",
            withdrawal_asked_at=ago(60),
        ),
        "Confirmed at 03:27:32 that it stopped.",
        "dana withdrew it at 03:26:41.",
    ),
    (
        mitigation("Northgate", Status.WITHDRAWN, ended_at=ago(60), is_replaced=True),
        "Replaced at 03:26:41 by your newer request.",
        "Northgate holds only the newer of two requests that have addresses in common.",
    ),
    (
        mitigation("Tidewall", Status.PENDING),
        "Nothing has left the portal for Tidewall.",
        "It is sent within seconds.",
    ),
    (
        mitigation("Tidewall", Status.PENDING, DOWN),
        "Nothing has left the portal for Tidewall.",
        "There is no connection since 03:11:40. It is sent as soon as there is one.",
    ),
    (
        mitigation("Tidewall", Status.PENDING, sent_at=ago(2)),
        "Sent at 03:27:39.",
        "Waiting for the first answer.",
    ),
    (
        mitigation(
            "Tidewall",
            Status.PENDING,
            sent_at=ago(2),
            cause=Cause.SILENT,
            because="Northgate did not answer",
        ),
        "Asked because Northgate did not answer within 10 s.",
        "Waiting for its first answer.",
    ),
    (
        mitigation("Northgate", Status.PENDING, sent_at=ago(17), sends=4, overdue_at=ago(7)),
        "Sent 4 times, no answer.",
        "Northgate is connected and answers other messages, not this request. Retrying within 4 s."
        " It may be acting already.",
    ),
    (
        mitigation("Northgate", Status.PENDING, DOWN, sent_at=ago(17), sends=4, overdue_at=ago(7)),
        "Sent 4 times, no answer.",
        "Northgate is unreachable. The portal has been retrying since 03:11:40. "
        "It may be acting already: answers get lost when your link is full.",
    ),
    (
        mitigation(
            "Northgate",
            Status.PENDING,
            sent_at=ago(17),
            retry_at=ago(-19),
            refusal="Northgate says: too many requests.",
        ),
        "Asked the portal to retry later. Retrying at 03:28:00.",
        "Northgate says: too many requests.",
    ),
    (
        mitigation(
            "Northgate",
            Status.PENDING,
            sent_at=ago(900),
            confirmed_at=ago(899),
            last_sent_at=ago(3),
        ),
        "Sent again at 03:27:38.",
        "Northgate no longer knew this request. Waiting for its answer.",
    ),
    (
        mitigation("Northgate", Status.IN_PROGRESS),
        "Accepted at 03:12:05 and is setting up.",
        "It does not filter yet.",
    ),
    (
        mitigation("Northgate", Status.MITIGATING, pps_dropped=412_000, **MITIGATING),
        "Reports that it is filtering.",
        "3.1 Gbit/s and 412,000 packets/s dropped; 347 GB so far.",
    ),
    (
        mitigation("Northgate", Status.MITIGATING, mitigating_at=ago(920)),
        "Reports that it is filtering.",
        "Northgate does not report amounts.",
    ),
    (
        mitigation("Northgate", Status.ATTACK_STOPPED, bytes_dropped=841_000_000_000),
        "No longer sees the attack.",
        "Its filter stays until you terminate. 841 GB dropped in total.",
    ),
    (
        mitigation("Northgate", Status.EXCEEDED, bps_dropped=112_000_000),
        "The attack is larger than it can filter.",
        "Part of it gets through. 896 Mbit/s dropped.",
    ),
    (
        mitigation("Northgate", Status.TERMINATING, DOWN, withdrawal_asked_at=ago(60)),
        "Stop request not confirmed yet: unreachable since 03:11:40.",
        "It may still be filtering. The portal keeps trying.",
    ),
    (
        mitigation(
            "Northgate",
            Status.TERMINATING,
            withdrawal_asked_at=ago(60),
            withdrawal_confirmed_at=ago(59),
        ),
        "Received the stop request at 03:26:42 and is winding down.",
        "It may filter a little longer.",
    ),
    (
        mitigation(
            "Northgate",
            Status.TERMINATING,
            is_plan=True,
            withdrawal_asked_at=ago(60),
            withdrawal_confirmed_at=ago(59),
            is_still_held=True,
        ),
        "Confirmed the withdrawal at 03:26:42, and still holds the plan.",
        "Northgate may start it automatically when contact is lost. The portal will retry.",
    ),
    (
        mitigation(
            "Northgate",
            Status.TERMINATING,
            is_plan=True,
            withdrawal_asked_at=ago(60),
            withdrawal_confirmed_at=ago(59),
            is_still_held=True,
            release_tried_at=ago(50),
        ),
        "Confirmed the withdrawal at 03:26:42, and still holds the plan.",
        (
            "Northgate may start it automatically when contact is lost. The portal retried at "
            "03:26:51, with a lifetime of one second, and is checking whether it is gone."
        ),
    ),
    (
        mitigation(
            "Northgate",
            Status.TERMINATING,
            is_plan=True,
            withdrawal_asked_at=ago(60),
            withdrawal_confirmed_at=ago(59),
            is_still_held=True,
            release_tried_at=ago(50),
            is_release_given_up=True,
        ),
        "Confirmed the withdrawal at 03:26:42, and still holds the plan.",
        (
            "Northgate may start it automatically when contact is lost. Retrying has not "
            "helped: call and ask for the plan to be removed."
        ),
    ),
    (
        mitigation("Northgate", Status.TERMINATED, ended_at=ago(30)),
        "Confirmed at 03:27:11 that it stopped.",
        "",
    ),
    (
        mitigation("Northgate", Status.WITHDRAWN, ended_at=ago(30)),
        "Northgate stopped on its own at 03:27:11.",
        "It gave no reason.",
    ),
    (
        mitigation("Northgate", Status.STANDBY),
        "Holds the plan.",
        "It filters only when activated, or automatically if it loses contact with you "
        "under attack.",
    ),
    (
        mitigation(
            "Northgate",
            Status.PENDING,
            sent_at=ago(20),
            retry_at=datetime(2163, 1, 5, 1, 16, 20, tzinfo=UTC),
            refusal="It is too busy (code 5.03).",
        ),
        "Asked the portal to retry later. Retrying on 5 January 2163.",
        (
            "It is too busy (code 5.03). The portal will not retry before then. Call "
            "Northgate if you need it sooner."
        ),
    ),
    (
        mitigation(
            "Northgate",
            Status.REFUSED,
            ended_at=ago(935),
            retry_at=ago(-86400),
            must_wait=True,
            refusal="It conflicts.",
        ),
        "Northgate refused at 03:12:06.",
        "It conflicts. It asked the portal not to retry before 03:27:41 tomorrow."
        " The portal will not retry before then. Call Northgate if you need it sooner.",
    ),
    (
        mitigation(
            "Northgate",
            Status.REFUSED,
            ended_at=ago(935),
            retry_at=ago(-60),
            must_wait=True,
            refusal="It conflicts.",
        ),
        "Northgate refused at 03:12:06.",
        "It conflicts. It asked the portal not to retry before 03:28:41.",
    ),
    (
        mitigation("Northgate", Status.REFUSED, ended_at=ago(935), refusal="It conflicts."),
        "Northgate refused at 03:12:06.",
        "It conflicts.",
    ),
    (
        mitigation(
            "Northgate",
            Status.REFUSED,
            sent_at=None,
            refusal_code=NOT_SENDABLE,
            refusal="It cannot be put into a message: 80 occurs twice.",
            retry_at=ago(-19),
        ),
        "The portal could not send this to Northgate.",
        "It cannot be put into a message: 80 occurs twice. Retrying at 03:28:00.",
    ),
    (
        mitigation(
            "Northgate",
            Status.PENDING,
            sent_at=ago(17),
            overdue_at=ago(7),
            refusal_code=NOT_SENDABLE,
            refusal="It cannot be put into a message: it is too large.",
            retry_at=ago(-19),
        ),
        "The portal could not send this to Northgate.",
        "It cannot be put into a message: it is too large. Retrying at 03:28:00. "
        "Copies sent earlier may have reached Northgate.",
    ),
    (
        mitigation(
            "Northgate",
            Status.PENDING,
            sent_at=ago(17),
            overdue_at=ago(7),
            unsaved_at=ago(16),
            retry_at=ago(-19),
        ),
        "The portal could not save Northgate’s answer from 03:27:25.",
        "It may be acting already. The portal’s log says why. Retrying at 03:28:00.",
    ),
    (
        mitigation("Northgate", Status.MITIGATING, unsaved_at=ago(16), **MITIGATING),
        "Reports that it is filtering.",
        "3.1 Gbit/s dropped; 347 GB so far. The portal could not save Northgate’s answer "
        "from 03:27:25. "
        "The rest shown here is older.",
    ),
    (
        mitigation(
            "Northgate", Status.IN_PROGRESS, refusal_code=NOT_SENDABLE, refusal="It is too large."
        ),
        "Accepted at 03:12:05 and is setting up.",
        "It does not filter yet. The portal could not send its renewal. It is too large.",
    ),
    (
        mitigation(
            "Northgate",
            Status.TERMINATING,
            withdrawal_asked_at=ago(60),
            refusal_code=NOT_SENDABLE,
            refusal="It cannot be put into a message: mid must be a number.",
            retry_at=ago(-19),
        ),
        "The portal could not send the stop request.",
        "It cannot be put into a message: mid must be a number. Northgate may still be filtering.",
    ),
    (
        mitigation("Northgate", Status.EXPIRED, ended_at=ago(60)),
        "The lifetime ran out at 03:26 and was not renewed.",
        "It should have stopped filtering.",
    ),
]
