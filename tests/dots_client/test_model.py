from __future__ import annotations

import inspect
from dataclasses import FrozenInstanceError, is_dataclass
from enum import IntEnum

import pytest

from dots_client import model
from dots_client.codec import keys

DATACLASSES = [
    member for _, member in inspect.getmembers(model, inspect.isclass) if is_dataclass(member)
]


@pytest.mark.parametrize("member", DATACLASSES, ids=lambda member: member.__name__)
def test_messages_are_frozen_with_slots_and_docstrings(member: type) -> None:
    assert member.__dataclass_params__.frozen  # type: ignore[attr-defined]  # dataclasses keep it there
    assert "__slots__" in vars(member)
    assert member.__doc__


def test_a_message_cannot_be_changed() -> None:
    heartbeat = model.Heartbeat(peer_hb_status=True)

    with pytest.raises(FrozenInstanceError):
        heartbeat.peer_hb_status = False  # type: ignore[misc]  # that is the point


@pytest.mark.parametrize(
    ("codes", "labels"),
    [
        (model.MitigationStatus, keys.STATUS_LABELS),
        (model.AttackStatus, keys.ATTACK_STATUS_LABELS),
        (model.ConflictStatus, keys.CONFLICT_STATUS_LABELS),
        (model.ConflictCause, keys.CONFLICT_CAUSE_LABELS),
    ],
)
def test_every_code_has_its_label(codes: type[IntEnum], labels: tuple[str, ...]) -> None:
    assert [int(code) for code in codes] == list(range(1, len(labels) + 1))
