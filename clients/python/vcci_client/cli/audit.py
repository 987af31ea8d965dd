"""`vcci audit`: who changed what, who was refused, and whether the log of it is whole."""

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from vcci_client.cli.connect import with_client
from vcci_client.cli.output import first, json_option, print_json, print_more, print_table

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp
    from vcci.v1.audit_service_pb2 import AuditEvent, AuditFault

    from vcci_client.client import AsyncClient

COLUMNS = ("event", "when (UTC)", "who", "what", "of", "change")
OUTCOMES = ("changed", "denied")
SHORT = 48  # characters of a change, in a table

Time = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"])


@click.group()
def audit() -> None:
    """Who changed what, and who was refused."""


@audit.command("list")
@click.option("--from", "start", type=Time, help="At this time (UTC) or later.")
@click.option("--to", "end", type=Time, help="Before this time (UTC).")
@click.option("--subject", default="", help="Who did it.")
@click.option("--action", default="", help="A call, UploadService.FinalizeUpload, or a service, UploadService.")
@click.option("--resource", default="", help="A resource with all below it: uploads/12, or uploads.")
@click.option("--outcome", type=click.Choice(OUTCOMES), help="What was changed, or what was refused.")
@click.option("--limit", type=click.IntRange(0), default=50, show_default=True, help="0: all.")
@json_option
@with_client
async def list_events(
    client: "AsyncClient",
    /,
    start: datetime | None,
    end: datetime | None,
    subject: str,
    action: str,
    resource: str,
    outcome: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """List events, newest first."""
    from vcci.v1.audit_service_pb2 import AuditFilter, AuditOutcome

    wanted = AuditFilter(
        start_time=_timestamp(start),
        end_time=_timestamp(end),
        subject=subject,
        action=action,
        resource=resource,
        outcome=AuditOutcome.Value(f"AUDIT_OUTCOME_{(outcome or 'unspecified').upper()}"),
    )
    found = await first(client.list_audit_events(wanted, page_size=limit + 1 if limit else 0), limit)
    shown = found[: limit or None]
    if as_json:
        for event in shown:
            print_json(event)
    else:
        print_table(COLUMNS, map(_cells, shown), numbers=("event",))
    print_more(found, limit)


@audit.command()
@click.option("--known", help="NUMBER:HASH of an event, as noted earlier.")
@json_option
@with_client
async def verify(client: "AsyncClient", known: str | None, as_json: bool) -> None:
    """Read the whole log, and exit with 1 where events were removed or altered.

    Note the number and the hash that it prints somewhere else, and give them as --known next time: who can write to the
    database could write a whole log anew.
    """
    number, _, known_hash = (known or "0:").partition(":")
    if not number.isdigit():
        raise click.BadParameter("expected NUMBER:HASH", param_hint="--known")
    verdict = await client.verify_audit_events(int(number), known_hash)
    if as_json:
        print_json(verdict)
    else:
        for fault in verdict.faults:
            click.echo(_told(fault))
        end = f", the last one is {verdict.last_sequence}:{verdict.last_hash}" if verdict.last_sequence else ""
        click.echo(f"{verdict.event_count:,} events{end}")
    if not verdict.intact:
        raise click.ClickException("the audit log is not as it was written")


def _timestamp(moment: datetime | None) -> "Timestamp | None":
    from google.protobuf.timestamp_pb2 import Timestamp

    if moment is None:
        return None
    timestamp = Timestamp()
    timestamp.FromDatetime(moment.replace(tzinfo=UTC))
    return timestamp


def _cells(event: "AuditEvent") -> tuple[str, ...]:
    who = event.subject or ("(nobody known)" if event.reason else "(the service)")
    what = event.action
    if event.reason:
        what += f", refused: {event.reason}" + (f", {event.call_count:,} calls" if event.call_count > 1 else "")
    when = f"{event.create_time.ToDatetime():%Y-%m-%d %H:%M:%S}"
    return str(event.sequence), when, who, what, event.resource, _short(_change(event))


def _change(event: "AuditEvent") -> str:
    """Return `status: active → inactive`, and of what is new only what it is now."""
    before, after = (json.loads(facts) if facts else {} for facts in (event.before, event.after))
    return ", ".join(
        f"{name}: {before[name]} → {after.get(name)}" if name in before else f"{name}: {after[name]}"
        for name in {**before, **after}
        if name not in before or before[name] != after.get(name)
    )


def _short(text: str) -> str:
    return text if len(text) <= SHORT else f"{text[: SHORT - 1]}…"


def _told(fault: "AuditFault") -> str:
    from vcci.v1.audit_service_pb2 import AuditFault

    if fault.kind == AuditFault.KIND_MISSING:
        return f"event {fault.sequence}: missing, {fault.missing_count:,} in all from this one on"
    if fault.kind == AuditFault.KIND_ALTERED:
        return f"event {fault.sequence}: it, or the hash of the one before it, was altered"
    return f"event {fault.sequence}: does not have the hash that was noted"
