"""The bootstep that starts the signal agent in a Celery worker (PORTAL_SIGNAL_AGENT=1)."""

from __future__ import annotations

import logging
import os
import socket
from typing import Any, Final

from celery import bootsteps

from dots_client import ClientSettings
from portal.core.gil import shorten_switch_interval
from portal.signaling.signal_agent import SignalAgent

logger = logging.getLogger(__name__)

CLIENT_SETTINGS: Final = ClientSettings(poll_interval_s=300)
"""The live session polls all silent mitigations in one request (`next_action.POLL_AFTER`), so
observations need not poll each.
"""

agent: SignalAgent | None = None
"""The agent of this process, if it has one."""


class SignalAgentStep(bootsteps.StartStopStep):
    """Starts the agent before tasks run. Everything is undone in stop(), since Celery never calls
    terminate().
    """

    requires = ("celery.worker.components:Pool",)

    def start(self, parent: Any) -> None:
        global agent
        process = f"{socket.gethostname()[:60]}-{os.getpid()}"
        shorten_switch_interval()
        agent = SignalAgent(process, settings=CLIENT_SETTINGS)
        agent.start()

    def stop(self, parent: Any) -> None:
        global agent
        if agent is not None:
            agent.stop()
            agent = None
