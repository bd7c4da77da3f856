"""Who did what. Rows are only ever inserted: the database refuses the rest (append_only.py)."""

from __future__ import annotations

from typing import Any, ClassVar, Final
from uuid import UUID

from django.db import models

PORTAL_CHAIN: Final = UUID(int=0)
"""In place of an organization: what belongs to none, such as the portal's own staff."""
MAX_NAME: Final = 200
MAX_ID: Final = 100


class AuditEntry(models.Model):
    """One act of one actor. It refers to other rows by text, so that it outlives them."""

    organization_id = models.UUIDField()
    """PORTAL_CHAIN if it belongs to no organization."""
    at = models.DateTimeField()
    verb = models.CharField(max_length=60)
    """A Verb, or the type of an event that is an act."""
    actor_kind = models.CharField(max_length=20, blank=True)
    """An ActorKind; empty if no one proved an identity."""
    actor_id = models.CharField(max_length=MAX_ID, blank=True)
    actor_name = models.CharField(max_length=MAX_NAME, blank=True)
    is_by_staff = models.BooleanField(default=False)
    """The portal's staff acted, or a person with a shell on the portal's machine."""
    object_kind = models.CharField(max_length=30, blank=True)
    object_id = models.CharField(max_length=MAX_ID, blank=True)
    object_name = models.CharField(max_length=MAX_NAME, blank=True)
    before = models.JSONField(null=True)
    """What the act changed, as it was: names of fields with JSON without fractions."""
    after = models.JSONField(null=True)
    reason = models.CharField(max_length=500, blank=True)
    address = models.CharField(max_length=64, blank=True)
    factor = models.CharField(max_length=120, blank=True)
    """The second factor of the session: its kind and its name, such as `authenticator:App`."""
    token = models.CharField(max_length=120, blank=True)
    """The API token: its id and its name, such as `6f…:laptop`."""
    event_seq = models.PositiveBigIntegerField(null=True)
    """The number of the event that the entry was made from."""

    class Meta:
        db_table = "audit_entry"
        ordering: ClassVar = ["-at", "-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["organization_id", "event_seq"], name="one_audit_entry_per_event"
            ),
        ]
        indexes: ClassVar = [
            # the page, and the hour that the sealer looks at
            models.Index(fields=["organization_id", "-at", "-id"], name="audit_newest_first"),
            models.Index(fields=["at"], name="audit_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.at} {self.actor_name} {self.verb}"

    def content(self) -> dict[str, Any]:
        """All that the chain protects, by column; the row's own id is not part of it."""
        return {
            field.attname: getattr(self, field.attname)
            for field in self._meta.concrete_fields
            if not field.primary_key
        }


class Seal(models.Model):
    """One entry's place in its organization's chain."""

    entry = models.OneToOneField(
        AuditEntry, on_delete=models.DO_NOTHING, primary_key=True, db_constraint=False
    )
    """Without a constraint in the database: an entry that is gone leaves its seal."""
    organization_id = models.UUIDField()
    seq = models.PositiveBigIntegerField()
    """Counts from 1 without a gap."""
    version = models.PositiveSmallIntegerField()
    """The version of the encoding behind `digest` and `hash` (chain.py)."""
    digest = models.CharField(max_length=64)
    """SHA-256 of the entry's content."""
    hash = models.CharField(max_length=64)
    """SHA-256 of the hash before it, the place and the digest."""
    sealed_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["organization_id", "seq"], name="one_seal_per_place"),
        ]

    def __str__(self) -> str:
        return f"{self.organization_id} {self.seq} {self.hash}"


class Cut(models.Model):
    """Retention removed the entries of a chain up to one place: where verification begins now."""

    organization_id = models.UUIDField()
    through_seq = models.PositiveBigIntegerField()
    """The last place that was removed."""
    hash = models.CharField(max_length=64)
    """Of that place."""
    at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["organization_id", "through_seq"], name="one_cut_per_place"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.organization_id} up to {self.through_seq}"


class Chain(models.Model):
    """The head of one organization's chain. Its row lock orders the sealers."""

    organization_id = models.UUIDField(primary_key=True)
    seq = models.PositiveBigIntegerField(default=0)
    """The place of the newest seal; 0: nothing is sealed yet."""
    hash = models.CharField(max_length=64, blank=True)
    verified_at = models.DateTimeField(null=True)
    """When the whole chain was last verified."""
    problem = models.JSONField(null=True)
    """What that verification found: a chain.ChainProblem as JSON; null: an unbroken chain."""
    mail_to = models.EmailField(blank=True)
    """The address that gets the head hash each day; empty: none."""

    def __str__(self) -> str:
        return f"{self.organization_id} {self.seq}"
