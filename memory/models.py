"""Rows. The log (records, events) is the truth; everything else here is a projection of it, kept for reading.

Bytes that must survive as they came (raw records, event bodies, trace lines) stand in binary columns, larger
ones compressed (``store.pack``): a database's text refuses NUL and its JSON reorders keys. Text columns hold
only what was made safe for display.
"""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models


class Project(models.Model):
    slug = models.SlugField(max_length=80, unique=True)
    name = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)


class Role(models.TextChoices):
    VIEWER = "viewer"  # reads
    OPERATOR = "operator"  # reads, acts, appends


class Member(models.Model):
    """A signed-in person's role in a project."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    project = models.ForeignKey(Project, models.CASCADE, related_name="members")
    role = models.CharField(max_length=16, choices=Role.choices)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "project"], name="member_once")]


class ApiToken(models.Model):
    """A harness's or script's key. Only the SHA-256 of the secret is kept."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=200)
    role = models.CharField(max_length=16, choices=Role.choices)
    token_sha256 = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)


class SignInLink(models.Model):
    """A one-time link: good once, until it expires. Only the SHA-256 of its secret is kept."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    token_sha256 = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)


class Session(models.Model):
    """One agent session: its log's cursors, and the header as last folded.

    ``record_count`` records are stored, ``derived_n`` of them have been turned into events; ``last_seq``
    events are stored, ``applied_seq`` of them folded. A worker moves a cursor only by an update conditional
    on its old value.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    project = models.ForeignKey(Project, models.CASCADE, related_name="sessions")
    key = models.CharField(max_length=200)  # the harness's own id of the session
    name = models.CharField(max_length=200)
    harness = models.CharField(max_length=40)
    mode = models.CharField(max_length=16)
    # Derives events from records; '' where none are sent. The version is that which read the last record.
    adapter = models.CharField(max_length=40, blank=True)
    adapter_version = models.CharField(max_length=40, blank=True)
    parent = models.ForeignKey("self", models.SET_NULL, null=True, related_name="children")
    created_at = models.DateTimeField(auto_now_add=True)
    # When the newest event happened, as ``store.lately`` tells, and when the newest event or record came.
    last_event_at = models.DateTimeField(null=True)
    arrived_at = models.DateTimeField(null=True)
    replayed = models.BooleanField(default=False)  # a recording, played as if it were happening now

    record_count = models.PositiveIntegerField(default=0)
    record_bytes = models.PositiveBigIntegerField(default=0)
    derived_n = models.PositiveIntegerField(default=0)
    last_seq = models.PositiveIntegerField(default=0)
    applied_seq = models.PositiveIntegerField(default=0)
    unknown_records = models.PositiveIntegerField(default=0)  # kept, of a kind that the adapter does not know
    broken_records = models.PositiveIntegerField(default=0)  # kept, could not be parsed

    turn = models.PositiveIntegerField(default=0)
    faults = models.PositiveIntegerField(
        default=0
    )  # exact, policy-controllable, primary: for list, sort and filter
    ended = models.BooleanField(default=False)
    header = models.TextField(default="{}")  # SessionView as ASCII JSON
    title = models.CharField(max_length=200, blank=True)  # from the record, safe for display
    trace_head = models.BinaryField(default=b"")  # first line of the decision trace, once known

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "key"], name="session_key_once")]
        indexes = [
            models.Index(fields=["project", "-last_event_at"], name="session_recent"),
            # The sweeper's question; empty while nothing is pending, so that asking every few seconds costs
            # nothing.
            models.Index(
                fields=["id"],
                condition=models.Q(derived_n__lt=models.F("record_count")),
                name="session_to_derive",
            ),
            models.Index(
                fields=["id"],
                condition=models.Q(applied_seq__lt=models.F("last_seq")),
                name="session_to_apply",
            ),
        ]


class Record(models.Model):
    """What a harness sent, as raw bytes. ``n`` is gapless from 1 per session."""

    session = models.ForeignKey(Session, models.CASCADE, related_name="records", db_index=False)
    n = models.PositiveIntegerField()
    record_key = models.CharField(
        max_length=200
    )  # the sender's identity of it: the same key is the same record
    source = models.CharField(max_length=400)  # file, hook or API, safe for display
    offset = models.PositiveBigIntegerField(null=True)  # byte offset in the file
    content_type = models.CharField(max_length=60, default="application/json")
    raw = models.BinaryField()  # zlib-compressed; over the limit: only the head
    length = models.PositiveBigIntegerField()  # of the whole record, bytes
    sha256 = models.CharField(max_length=64)  # of the whole record
    truncated = models.BooleanField(default=False)
    problem = models.CharField(max_length=200, blank=True)  # why it gave no events, if it should have
    received_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["session", "n"], name="record_n_once"),
            models.UniqueConstraint(fields=["session", "record_key"], name="record_key_once"),
        ]


class Event(models.Model):
    """One event of a session's log. ``body`` is JSON as
    sent or derived; ``completed`` what the engine was fed.
    """

    session = models.ForeignKey(Session, models.CASCADE, related_name="events", db_index=False)
    seq = models.PositiveIntegerField()
    kind = models.CharField(max_length=32)
    actor = models.CharField(max_length=120, default="harness")
    client_event_id = models.CharField(max_length=200, null=True)
    body = models.BinaryField()
    body_sha256 = models.CharField(max_length=64)
    completed = models.BinaryField(null=True)  # null: the body was complete as it came
    version = models.PositiveSmallIntegerField(default=1)  # of the kind, in which both were written
    record_n = models.PositiveIntegerField(null=True)  # the record it was derived from
    at = models.CharField(max_length=40, blank=True)  # the sender's time as sent, for display only
    received_at = models.DateTimeField(auto_now_add=True)
    rejected = models.CharField(max_length=400, blank=True)  # why it was applied as rejected
    skipped = models.BooleanField(
        default=False
    )  # rejected by the store: malformed, or the engine failed on it

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["session", "seq"], name="event_seq_once"),
            models.UniqueConstraint(fields=["session", "client_event_id"], name="event_client_id_once"),
        ]


class EventOutcomes(models.Model):
    """All outcomes of one event, in order, as one zlib-compressed ASCII JSON array."""

    session = models.ForeignKey(Session, models.CASCADE, related_name="outcomes", db_index=False)
    seq = models.PositiveIntegerField()
    turn = models.PositiveIntegerField()
    blob = models.BinaryField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["session", "seq"], name="outcomes_once")]


class Turn(models.Model):
    """One turn of one side: what its prompt held in numbers, and, once closed, its trace record."""

    session = models.ForeignKey(Session, models.CASCADE, related_name="turns", db_index=False)
    side = models.CharField(max_length=8)
    turn = models.PositiveIntegerField()
    prompt_seq = models.PositiveIntegerField()
    closed_seq = models.PositiveIntegerField(null=True)
    numbers = models.TextField(default="{}")  # the prompt outcome's data, ASCII JSON
    record = models.BinaryField(null=True)  # the trace line, once closed
    # Page id -> fidelity number (0: left) that differ from the turn before; of a keyframe: all that are
    # resident.
    residency = models.BinaryField(default=b"")
    keyframe = models.BooleanField(default=False)
    sha256 = models.CharField(max_length=64, blank=True)
    at = models.CharField(max_length=40, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["session", "side", "turn"], name="turn_once")]


class Page(models.Model):
    """A page's current row (``PageView``), for the table: a projection of the log."""

    session = models.ForeignKey(Session, models.CASCADE, related_name="pages", db_index=False)
    page_id = models.CharField(max_length=512)
    title = models.CharField(max_length=1000)  # safe for display
    type = models.CharField(max_length=16)
    pin = models.CharField(max_length=8)
    status = models.CharField(max_length=12)
    dirty = models.BooleanField(default=False)
    fidelity = models.PositiveSmallIntegerField(default=0)  # primary
    tokens_now = models.PositiveIntegerField(default=0)  # primary
    shadow_fidelity = models.PositiveSmallIntegerField(null=True)
    shadow_tokens_now = models.PositiveIntegerField(null=True)
    tokens_full = models.PositiveIntegerField(default=0)
    faults = models.PositiveIntegerField(default=0)
    shadow_faults = models.PositiveIntegerField(default=0)
    last_demand_turn = models.PositiveIntegerField(default=0)
    order = models.PositiveIntegerField()
    text_seq = models.PositiveIntegerField()
    changed_seq = models.PositiveIntegerField()  # the event that last changed this row
    view = models.TextField()  # the whole PageView, ASCII JSON

    class Meta:
        constraints = [models.UniqueConstraint(fields=["session", "page_id"], name="page_once")]
        indexes = [
            models.Index(fields=["session", "changed_seq"], name="page_changed"),
            models.Index(fields=["session", "status", "order"], name="page_order"),
        ]


class PageText(models.Model):
    """Which events brought a version of a page's text; the text itself stands in the event."""

    session = models.ForeignKey(Session, models.CASCADE, related_name="+", db_index=False)
    page_id = models.CharField(max_length=512)
    seq = models.PositiveIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["session", "page_id", "seq"], name="page_text_once")]


class LedgerEntry(models.Model):
    """A line of the fault ledger: a fault, alert, refresh, page-in, boundary, rejection, act or receipt."""

    session = models.ForeignKey(Session, models.CASCADE, related_name="ledger", db_index=False)
    side = models.CharField(max_length=8)
    seq = models.PositiveIntegerField()
    idx = models.PositiveIntegerField()  # place among the event's outcomes
    turn = models.PositiveIntegerField()
    kind = models.CharField(
        max_length=32
    )  # fault kind, or alert, refresh, page_in, boundary, rejected, parked …
    fault_class = models.CharField(max_length=16, blank=True)
    exact = models.BooleanField(default=True)
    page_id = models.CharField(max_length=512, blank=True)
    tokens = models.PositiveBigIntegerField(null=True)
    data = models.TextField(default="{}")  # the outcome's data, ASCII JSON
    at = models.CharField(max_length=40, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["session", "side", "seq", "idx"], name="ledger_once")]
        indexes = [
            models.Index(fields=["session", "side", "kind", "seq"], name="ledger_kind"),
            models.Index(fields=["session", "page_id"], name="ledger_page"),
        ]


class Prompt(models.Model):
    """A prompt that we assembled (enforced): the bytes,
    kept, so that the same request gets the same bytes.
    """

    session = models.ForeignKey(Session, models.CASCADE, related_name="prompts", db_index=False)
    request_id = models.CharField(max_length=200)
    turn = models.PositiveIntegerField()
    seq = models.PositiveIntegerField()
    text = (
        models.BinaryField()
    )  # UTF-8 JSON: {"sections": [{page_id, type, fidelity, tokens, text}], "turn": …}
    sha256 = models.CharField(max_length=64)
    tokens = models.PositiveBigIntegerField()  # a sum over pages

    class Meta:
        constraints = [models.UniqueConstraint(fields=["session", "request_id"], name="prompt_request_once")]


class Act(models.Model):
    """An operator's act as it stands now: pending, applied, refused, undone; and its receipt."""

    session = models.ForeignKey(Session, models.CASCADE, related_name="acts", db_index=False)
    seq = models.PositiveIntegerField()
    kind = models.CharField(max_length=32)
    actor = models.CharField(max_length=120)
    page_ids = models.TextField()  # JSON array
    state = models.CharField(max_length=16, default="pending")
    why = models.CharField(max_length=400, blank=True)
    reach = models.CharField(max_length=16)  # enforced, injected, shadow
    turn = models.PositiveIntegerField(null=True)  # the turn it was applied in
    receipt = models.CharField(max_length=16, blank=True)  # due, seen, missing
    receipt_turn = models.PositiveIntegerField(null=True)
    receipt_how = models.CharField(max_length=400, blank=True)
    reason = models.CharField(max_length=400, blank=True)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["session", "seq"], name="act_once")]


class JournalEntry(models.Model):
    """One move of one update through the journal."""

    session = models.ForeignKey(Session, models.CASCADE, related_name="journal", db_index=False)
    side = models.CharField(max_length=8)
    seq = models.PositiveIntegerField()
    idx = models.PositiveIntegerField()
    turn = models.PositiveIntegerField()
    update_id = models.CharField(max_length=512)
    page_id = models.CharField(max_length=512, blank=True)
    phase = models.CharField(max_length=16)
    reason = models.CharField(max_length=40, blank=True)
    data = models.TextField(default="{}")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["session", "side", "seq", "idx"], name="journal_once")]


class ProjectPage(models.Model):
    """What the sessions of a project have committed of a page of project scope: the newest version, and the
    event that holds its text. Its row lock puts crossing commits in an order.
    """

    project = models.ForeignKey(Project, models.CASCADE, related_name="pages", db_index=False)
    page_id = models.CharField(max_length=512)
    version = models.PositiveIntegerField(default=0)  # 0: nothing is committed yet
    session = models.ForeignKey(Session, models.CASCADE, null=True, related_name="+")
    text_seq = models.PositiveIntegerField(default=0)  # of that session's log
    fields = models.BinaryField(default=b"")  # what updates wrote: JSON, packed

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "page_id"], name="project_page_once")]


class Snapshot(models.Model):
    """The engine's state at a seq, so that a cold worker folds from here and not from the first event."""

    session = models.OneToOneField(Session, models.CASCADE, related_name="snapshot")
    seq = models.PositiveIntegerField()
    engine_version = models.CharField(max_length=40)
    blob = models.BinaryField()
