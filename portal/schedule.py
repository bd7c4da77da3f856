"""When Celery's beat sends which task. A task that no worker took by then expires."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from celery.schedules import crontab


def _task(name: str, when: timedelta | crontab, expires_s: int) -> dict[str, Any]:
    return {"task": f"portal.{name}", "schedule": when, "options": {"expires": expires_s}}


def _every(seconds: float, name: str) -> dict[str, Any]:
    return _task(name, timedelta(seconds=seconds), max(1, int(seconds)))


def _hourly(minutes: str, name: str, *, expires_s: int = 600) -> dict[str, Any]:
    """At these minutes of each hour."""
    return _task(name, crontab(minute=minutes), expires_s)


BEAT_SCHEDULE: Final[dict[str, dict[str, Any]]] = {
    "prune-accounts": _hourly("17", "accounts.tasks.prune"),
    "mail-password-links": _every(5, "accounts.tasks.mail_links"),
    "send-mail": _every(5, "mail.tasks.send_due"),
    "end-acting": _every(30, "organizations.tasks.end_acting"),
    # A request that an alert makes automatically is sent within a second of the alert.
    "map-alerts": _every(0.5, "alerts.tasks.map_waiting"),
    "poll-detectors": _every(5, "alerts.tasks.poll"),
    "follow-incidents": _every(5, "alerts.tasks.follow"),
    "prune-alerts": _hourly("7,22,37,52", "alerts.tasks.prune"),
    "collect-notices": _every(1, "notifications.tasks.collect"),
    "deliver-notices": _every(1, "notifications.tasks.deliver"),
    "look-for-notices": _every(15, "notifications.tasks.look"),
    "look-at-certificates": _hourly("12", "notifications.tasks.look_at_certificates"),
    "prune-notices": _hourly("42", "notifications.tasks.prune"),
    "prune-organizations": _hourly("27", "organizations.tasks.prune"),
    "prune-mitigations": _hourly("37", "mitigations.tasks.prune"),
    "terminate-redundant": _every(5, "mitigations.tasks.terminate_redundant"),
    "expire-approvals": _every(5, "mitigations.tasks.expire_approvals"),
    "audit": _every(10, "events.tasks.audit"),
    "seal-missed-audit": _hourly("47", "audit.tasks.seal_missed"),
    "verify-audit": _hourly("7", "audit.tasks.verify_chains"),
    "publish-audit-heads": _task(
        "organizations.tasks.publish_audit_heads", crontab(hour="0", minute="2"), 3600
    ),
    "cut-audit": _task("audit.tasks.cut_chains", crontab(hour="4", minute="57"), 600),
    "prune-wire": _hourly("*/10", "wire.tasks.prune", expires_s=300),
    "sweep-deadlines": _every(5, "signaling.tasks.sweep_deadlines"),
    "follow-standby": _every(2, "standby.tasks.follow"),
    "check-claims": _every(3, "ownership.tasks.make_due_checks"),
    "recheck-claims": _hourly("47", "ownership.tasks.begin_rechecks"),
    "check-email-domains": _every(3, "sso.tasks.check_domains"),
    "recheck-email-domains": _hourly("52", "sso.tasks.recheck_domains"),
    "end-single-sign-on-tokens": _hourly("57", "sso.tasks.end_tokens"),
    "read-rpki": _every(600, "rpki.tasks.refresh"),
}
