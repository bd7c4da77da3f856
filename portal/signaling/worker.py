"""The bootstep that gives a Celery worker its agent (PORTAL_SIGNAL_AGENT=1)."""

from __future__ import annotations

import logging
import os
import socket
import sys
from typing import Any, Final
from uuid import uuid4

from celery import bootsteps
from django.conf import settings

from dots_client import ClientSettings
from portal.signaling.agent import Agent

logger = logging.getLogger(__name__)

SWITCH_INTERVAL_S: Final = 0.0005
"""The agent's loop, its database threads and the tasks share one interpreter lock: with Python's 5 ms each hand-over may cost
as much as the whole way to the provider."""

agent: Agent | None = None
"""The agent of this process; None where there is none."""


class AgentStep(bootsteps.StartStopStep):
    """Starts the agent before tasks run. Everything is undone in stop(): terminate() is never called."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        self.enabled = settings.PORTAL_SIGNAL_AGENT

    def start(self, parent: Any) -> None:
        global agent
        owner = f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:6]}"
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        agent = Agent(owner, settings=ClientSettings())
        agent.start()

    def stop(self, parent: Any) -> None:
        global agent
        if agent is not None:
            agent.stop()
            agent = None
