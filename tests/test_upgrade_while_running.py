"""`scripts/upgrade` migrates before it replaces the processes, so those of the earlier release keep
running on the migrated database.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest
from django.db.migrations import RenameField
from django.db.migrations.loader import MigrationLoader

from portal.celery import app

PORTAL = Path(__file__).parents[1] / "portal"
LOADER = MigrationLoader(None)
RENAMES = [
    (name, operation)
    for name, migration in sorted(LOADER.disk_migrations.items(), key=lambda one: one[0])
    if (PORTAL / name[0]).is_dir()
    for operation in migration.operations
    if isinstance(operation, RenameField)
]
SENT_BY_0_1_0 = [
    "portal.accounts.tasks.prune",
    "portal.organizations.tasks.prune",
    "portal.mitigations.tasks.prune",
    "portal.mitigations.tasks.end_taken_over",
    "portal.wire.tasks.prune",
    "portal.signaling.tasks.sweep_deadlines",
    "portal.signaling.tasks.reconcile",
    "portal.standby.tasks.follow",
]
"""By its beat and its web processes."""


@pytest.mark.parametrize(
    ("migration", "operation"), RENAMES, ids=[operation.new_name for _, operation in RENAMES]
)
def test_a_renamed_field_keeps_its_column(
    migration: tuple[str, str], operation: RenameField
) -> None:
    state = LOADER.project_state([migration])
    model = state.apps.get_model(migration[0], operation.model_name)

    assert model._meta.get_field(operation.new_name).column == operation.old_name


@pytest.mark.parametrize("name", SENT_BY_0_1_0)
def test_a_task_sent_by_the_earlier_release_has_a_receiver(name: str) -> None:
    app.loader.import_default_modules()

    assert name in app.tasks


def test_the_crash_sentence_saved_by_0_1_0_becomes_the_code() -> None:
    sentences = import_module("portal.providers.migrations.0011_session_fault").SENTENCES

    assert (
        "The portal failed to keep this connection and tries again. Its log says why."
        in sentences["crashed"]
    )
