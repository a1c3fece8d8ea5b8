"""The sample tasks: what each is called, asks for and does. The work itself is in the modules beside this one.

The handlers stand at the top of the module, so that a process of its own can import them, and work in the
current directory, which `workspace.prepare` has filled.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

from pydantic import BaseModel, Field

from taskyard.demo import approval, backup, checksums, customers, remote, report, workspace
from taskyard.demo.workspace import OnProgress
from taskyard.executors.function.context import Context

PROCESSES = (Path(__file__).with_name("publish-prices.bpmn"),)
"""BPMN files; their steps are tasks of the samples, and of people."""


class Yard(Protocol):
    """What `register` needs of a yard."""

    @property
    def register(self) -> Callable[..., Any]:
        """Register a function as a task: key, function, and what else is known of it."""


def register(yard: Yard) -> None:
    """Register all samples with `yard`; they run in processes whose working directory was prepared."""
    for register_one in (_maintenance, _customers, _unsteady, _people):
        register_one(yard)


def _maintenance(yard: Yard) -> None:
    yard.register(
        "back-up-database",
        back_up_database,
        title="Back up the database",
        description="Copies the shop's SQLite database while it is in use, and verifies the copy table by table.",
        category="maintenance",
        icon="database",
        tags=["backup", "sqlite"],
        timeout=120,
        max_concurrent=1,
    )
    yard.register(
        "checksum-folder",
        checksum_folder,
        title="Checksum a folder",
        description="Computes the checksum of every file in a folder and finds the files that are there twice.",
        category="maintenance",
        icon="fingerprint",
        tags=["files", "cpu"],
        expense="Reads every file in the folder and keeps one processor core busy meanwhile.",
        timeout=120,
        isolation="process",
    )


def _customers(yard: Yard) -> None:
    yard.register(
        "import-customers",
        import_customers,
        title="Import customers",
        description="Reads customers.csv, checks every row, stores the good ones and reports the others.",
        category="data",
        icon="users",
        tags=["import", "csv"],
        danger="With “replace”, all customers that were imported before are deleted.",
        timeout=300,
        max_concurrent=1,
    )
    yard.register(
        "send-weekly-report",
        send_weekly_report,
        title="Send the weekly report",
        description="Writes the totals by country of the imported customers to the folder outbox.",
        category="report",
        icon="file-text",
        tags=["report", "scheduled"],
        timeout=30,
        retry=5,
        retry_delay=two_seconds,
    )


def _unsteady(yard: Yard) -> None:
    yard.register(
        "fetch-exchange-rates",
        fetch_exchange_rates,
        title="Fetch exchange rates",
        description="Asks a simulated service that refuses two calls and answers the third: retries recover.",
        category="data",
        icon="coins",
        tags=["simulated", "retry"],
        timeout=10,
        retry=4,
        retry_delay=growing_delay,
    )
    yard.register(
        "notify-legacy-system",
        notify_legacy_system,
        title="Notify the legacy system",
        description="Calls a port where nobody listens: fails for good and ends in the dead letter queue.",
        category="admin",
        icon="unplug",
        tags=["simulated", "dead-letter"],
        timeout=10,
        retry=2,
        retry_delay=growing_delay,
    )


def _people(yard: Yard) -> None:
    yard.register(
        approval.WORKFLOW,
        refund_customer,
        title="Refund a customer",
        description="Waits until one of the shop's managers has agreed, and notes the payment in the folder outbox.",
        category="admin",
        icon="undo",
        tags=["approval", "workflow"],
        timeout=86_400,
    )


def growing_delay(retry: int) -> float:
    """Half a second more for each retry."""
    return 0.5 * retry


def two_seconds(_: int) -> float:
    """The same for each retry."""
    return 2.0


def back_up_database(
    ctx: Context,
    keep: Annotated[int, Field(title="Backups to keep", ge=1, le=50)] = 5,
    pages_per_step: Annotated[int, Field(title="Pages copied at a time", ge=1, le=10_000)] = 32,
    pause: Annotated[float, Field(title="Seconds between steps, for others to write", ge=0, le=1)] = 0.05,
) -> backup.Backup:
    """Copy and verify the shop's database, then delete backups beyond those to keep."""
    name = f"shop-{datetime.now(UTC):%Y%m%d-%H%M%S}-{ctx.task.id}.db"
    made = backup.back_up(
        workspace.SHOP_DATABASE,
        workspace.BACKUPS / name,
        _progress(ctx, "copying pages"),
        pages_per_step=pages_per_step,
        pause=pause,
    )
    for table in made.tables:
        ctx.log.info("table %s: %d rows, equal in the copy", table.name, table.rows)
    for old in backup.prune(workspace.BACKUPS, "shop-*.db", keep):
        ctx.log.info("deleted the old backup %s", old.name)
    return made


def import_customers(
    ctx: Context,
    mode: Annotated[
        Literal["update", "replace"],
        Field(title="Known customers", description="Update them, or delete all and start anew"),
    ] = "update",
    rows_per_second: Annotated[int, Field(title="Speed limit, rows per second", ge=100, le=1_000_000)] = 4_000,
) -> customers.ImportResult:
    """Import the rows of the CSV file; each refused row is a warning of the task."""
    result = customers.import_customers(
        workspace.CUSTOMERS_CSV,
        workspace.CUSTOMERS_DATABASE,
        workspace.IMPORT_ERRORS,
        _progress(ctx, "importing rows"),
        lambda row: ctx.failed_item(f"line {row.line}", f"{row.column}: {row.error}"),
        replace=mode == "replace",
        rows_per_second=rows_per_second,
    )
    if result.refused:
        ctx.log.warning("%d rows were refused; see %s", result.refused, result.errors)
    return result


def checksum_folder(
    ctx: Context,
    folder: Annotated[str, Field(title="Folder", description="Below the demo's own folder")] = "files",
    algorithm: Annotated[checksums.Algorithm, Field(title="Algorithm")] = "sha256",
) -> checksums.FolderChecksums:
    """Write the checksums of the folder's files beside it and name the duplicates."""
    listing = Path(f"checksums.{algorithm}")
    result = checksums.checksum_folder(
        workspace.inside(Path.cwd(), folder), listing, _progress(ctx, "reading files"), algorithm=algorithm
    )
    ctx.log.info("the copies among them waste %.1f MB", result.wasted / 1e6)
    return result


async def fetch_exchange_rates(
    ctx: Context,
    base: Annotated[remote.Currency, Field(title="Base currency")] = "EUR",
    currencies: Annotated[list[remote.Currency], Field(title="Currencies", min_length=1)] = remote.MAJOR_CURRENCIES,
) -> remote.ExchangeRates:
    """Ask the simulated service; its refusals are counted for each run."""
    ctx.log.info("asking for %s rates, attempt %d", base, ctx.attempt)
    return remote.fetch_rates(workspace.RATE_SERVICE / f"{ctx.task.id}.calls", base, currencies)


async def notify_legacy_system(
    ctx: Context,
    message: Annotated[str, Field(title="Message", min_length=1, max_length=200)] = "The import is done.",
    channel: Annotated[Literal["orders", "customers"], Field(title="Channel")] = "customers",
) -> remote.Receipt:
    """Send the message to nobody, which fails."""
    ctx.log.info("connecting to channel %s", channel)
    return await remote.notify_legacy_system(f"{channel}: {message}")


def send_weekly_report(
    ctx: Context,
    format: Annotated[report.ReportFormat, Field(title="Format")] = "html",  # noqa: A002 - the form's word
) -> report.WeeklyReport:
    """Write the report of the imported customers."""
    result = report.write_report(workspace.CUSTOMERS_DATABASE, workspace.OUTBOX, format)
    ctx.log.info("wrote %s", result.file)
    return result


class Refund(BaseModel):
    """What has become of a refund."""

    paid: bool
    summary: str


async def refund_customer(
    ctx: Context,
    customer: Annotated[str, Field(title="Customer", min_length=1, max_length=200)] = "Anna Becker",
    amount: Annotated[float, Field(title="Amount", gt=0)] = 19.9,
) -> Refund:
    """Ask a person, and go on when they have decided."""
    ctx.log.info("asking the %s", approval.GROUP)
    decision = await ctx.run(approval.KEY, {"customer": customer, "amount": amount})
    if not decision["approved"]:
        return Refund(paid=False, summary=f"{customer} is not paid: {decision['reason']}")
    workspace.OUTBOX.mkdir(exist_ok=True)
    (workspace.OUTBOX / f"refund-{ctx.task.id}.txt").write_text(f"{amount:.2f} to {customer}\n", encoding="utf-8")
    return Refund(paid=True, summary=f"{amount:.2f} paid to {customer}, as a person has agreed")


def _progress(ctx: Context, action: str) -> OnProgress:
    """Report the progress of `action` to the task, and stop the work once the task is canceled."""

    def report_progress(done: int, total: int) -> None:
        ctx.raise_if_canceled()
        ctx.progress(done, total, action)

    return report_progress
