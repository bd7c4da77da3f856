"""A worker ends in time after SIGTERM, even if a task never ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
WORKER = """
import os, signal, threading
import portal.celery
from celery.signals import worker_ready

def never_ends():
    threading.Event().wait()

@worker_ready.connect
def stop(sender, **_):
    sender.pool.apply_async(never_ends)
    os.kill(os.getpid(), signal.SIGTERM)

portal.celery.STOPS_WITHIN_S = 1
portal.celery.app.conf.update(broker_url="memory://", broker_transport="memory")
portal.celery.app.worker_main(["worker", "-P", "threads", "-c", "1"])
"""


def test_a_worker_with_a_task_that_never_ends_shows_its_stack_and_ends(tmp_path: Path) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "PORTAL_DEBUG": "1",
        "DATABASE_URL": f"sqlite:///{tmp_path}/db",
    }
    worker = subprocess.run(
        [sys.executable, "-c", WORKER],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert worker.returncode == 1
    assert "in never_ends" in worker.stderr
