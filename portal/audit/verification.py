"""Verify a chain: find the first row that is not as it was sealed, and say what happened to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from django.db.models import Exists, OuterRef
from django.utils import timezone

from portal.audit.chain import FIRST, VERSION, digest_of, hash_of
from portal.audit.models import AuditEntry, Chain, Cut, Seal

PATIENCE: Final = timedelta(minutes=5)
"""How long an entry may wait for its seal: the sealer runs every few seconds."""
ROWS_AT_ONCE: Final = 500


class Fault(StrEnum):
    """What happened to a row."""

    CHANGED = "changed"
    DELETED = "deleted"
    SWAPPED = "swapped"
    UNSEALED = "unsealed-too-long"
    REWRITTEN = "rewritten"
    "the whole chain is consistent, and is another one than the customer's copy of a head says"


@dataclass(frozen=True, slots=True)
class ChainProblem:
    """The first bad row of a chain."""

    fault: Fault
    seq: int | None
    "its place; None: it has none yet"
    entry: int | None
    "its id; None: there is no such row"
    other: int | None = None
    "of a swapped pair: the place of the other row"

    def as_json(self) -> dict[str, object]:
        return asdict(self)


def verify(organization_id: UUID, *, head: tuple[int, str] | None = None) -> ChainProblem | None:
    """The first problem of a chain; None: it is unbroken.

    `head`: the place and the hash that a customer kept; the chain must still contain them.
    """
    while True:
        cut = Cut.objects.filter(organization_id=organization_id).order_by("-through_seq").first()
        problem = _first_problem(organization_id, cut, head)
        if problem is None or not _is_cut_since(organization_id, cut):
            return problem


def _is_cut_since(organization_id: UUID, cut: Cut | None) -> bool:
    """Whether retention removed rows that were being read."""
    seq = cut.through_seq if cut else 0
    return Cut.objects.filter(organization_id=organization_id, through_seq__gt=seq).exists()


def _first_problem(
    organization_id: UUID, cut: Cut | None, head: tuple[int, str] | None
) -> ChainProblem | None:
    # Before the seals: those that are added meanwhile are beyond this head.
    chain = Chain.objects.filter(organization_id=organization_id).first() or Chain()
    heads = [(chain.seq, chain.hash), *([head] if head else [])]
    seq, previous = (cut.through_seq, cut.hash) if cut else (0, FIRST)
    for seal, entry in _sealed(organization_id, after=seq):
        seq += 1
        if problem := _problem(seal, entry, seq, previous):
            return problem
        previous = seal.hash
        if any(place == seq and expected != seal.hash for place, expected in heads):
            return ChainProblem(Fault.REWRITTEN, seq, seal.entry_id)
    if max(place for place, _ in heads) > seq:
        return ChainProblem(Fault.DELETED, seq + 1, None)
    return _waits_too_long(organization_id)


def _sealed(organization_id: UUID, *, after: int) -> Iterator[tuple[Seal, AuditEntry | None]]:
    """Every seal of the chain with its entry, in the order of their places."""
    while True:
        seals = list(
            Seal.objects.filter(organization_id=organization_id, seq__gt=after).order_by("seq")[
                :ROWS_AT_ONCE
            ]
        )
        if not seals:
            return
        entries = AuditEntry.objects.in_bulk([seal.entry_id for seal in seals])
        for seal in seals:
            yield seal, entries.get(seal.entry_id)
        after = seals[-1].seq


def _problem(seal: Seal, entry: AuditEntry | None, seq: int, previous: str) -> ChainProblem | None:
    if seal.seq != seq:
        return ChainProblem(Fault.DELETED, seq, None)
    if entry is None:
        return ChainProblem(Fault.DELETED, seq, seal.entry_id)
    if seal.version != VERSION:
        return ChainProblem(Fault.CHANGED, seq, seal.entry_id)
    own = Seal.objects.filter(organization_id=seal.organization_id).exclude(seq=seq)
    digest = digest_of(entry.content(), seal.version)
    if digest != seal.digest:
        # The content of another place, which has this one's in turn: two rows were exchanged.
        other = own.filter(digest=digest).first()
        theirs = other and AuditEntry.objects.filter(pk=other.entry_id).first()
        if other and theirs and digest_of(theirs.content(), other.version) == seal.digest:
            return ChainProblem(Fault.SWAPPED, seq, seal.entry_id, other.seq)
        return ChainProblem(Fault.CHANGED, seq, seal.entry_id)
    if seal.hash != _hash(seal, seal.digest, previous):
        for other in own.iterator(ROWS_AT_ONCE):
            # It was sealed for this place.
            if other.hash == _hash(seal, other.digest, previous):
                return ChainProblem(Fault.SWAPPED, seq, seal.entry_id, other.seq)
        return ChainProblem(Fault.CHANGED, seq, seal.entry_id)
    return None


def _hash(seal: Seal, digest: str, previous: str) -> str:
    return hash_of(
        previous=previous, organization_id=seal.organization_id, seq=seal.seq, digest=digest
    )


def _waits_too_long(organization_id: UUID) -> ChainProblem | None:
    waiting = (
        AuditEntry.objects.filter(
            ~Exists(Seal.objects.filter(entry=OuterRef("pk"))),
            organization_id=organization_id,
            at__lt=timezone.now() - PATIENCE,
        )
        .order_by("pk")
        .values_list("pk", flat=True)
        .first()
    )
    return None if waiting is None else ChainProblem(Fault.UNSEALED, None, waiting)
