"""The demo's work, called directly on its own sample data."""

from __future__ import annotations

import csv
import hashlib
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from taskyard.demo import backup, checksums, customers, remote, report, samples, workspace
from taskyard.demo.plan import STEPS, Step
from taskyard.demo.sample_data import BROKEN_CUSTOMER_COUNT, CUSTOMER_COUNT, FILE_COUNT
from taskyard.domain.schema import compile_schema
from taskyard.domain.signature import Signature


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("demo")
    workspace.prepare(path)
    return path


@pytest.fixture
def progress() -> list[tuple[int, int]]:
    return []


def on_progress_to(seen: list[tuple[int, int]]) -> workspace.OnProgress:
    return lambda done, total: seen.append((done, total))


def ignore(*_: object) -> None:
    pass


def test_the_sample_data_is_the_same_every_time(folder: Path, tmp_path: Path) -> None:
    workspace.prepare(tmp_path)
    names = [path.relative_to(tmp_path) for path in sorted(tmp_path.rglob("*")) if path.is_file()]
    assert len(names) == FILE_COUNT + 2
    for name in names:
        if name != workspace.SHOP_DATABASE:
            assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()
    assert dump(tmp_path / workspace.SHOP_DATABASE) == dump(folder / workspace.SHOP_DATABASE)


def dump(database: Path) -> str:
    with closing(sqlite3.connect(database)) as connection:
        return hashlib.sha256("\n".join(connection.iterdump()).encode()).hexdigest()


def test_preparing_again_keeps_what_is_there_and_mends_what_was_interrupted(tmp_path: Path) -> None:
    tmp_path.joinpath(workspace.CUSTOMERS_CSV).write_text("mine")
    half = tmp_path / f".{workspace.FILES}.part" / "2019"
    half.mkdir(parents=True)
    (half / "half.bin").touch()
    workspace.prepare(tmp_path)
    assert (tmp_path / workspace.CUSTOMERS_CSV).read_text() == "mine"
    assert not list(tmp_path.rglob("half.bin"))


@pytest.mark.parametrize("name", ["..", "files/../../x", "/etc"])
def test_a_name_cannot_lead_out_of_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="leads out"):
        workspace.inside(tmp_path, name)


class RecordingYard:
    """Keeps what was registered, instead of running it."""

    def __init__(self) -> None:
        self.signatures: dict[str, Signature] = {}
        self.options: dict[str, dict[str, Any]] = {}

    def register(self, key: str, function: Callable[..., Any], **options: Any) -> None:
        self.signatures[key] = Signature.of(function)
        self.options[key] = options


class TestDefinitions:
    @pytest.fixture
    def yard(self) -> RecordingYard:
        yard = RecordingYard()
        samples.register(yard)
        return yard

    @pytest.mark.parametrize("step", STEPS, ids=lambda step: step.key)
    def test_what_the_demo_starts_fits_the_form(self, yard: RecordingYard, step: Step) -> None:
        assert compile_schema(yard.signatures[step.key].input_schema).is_valid(step.input)

    def test_each_is_started_described_and_typed(self, yard: RecordingYard) -> None:
        assert {step.key for step in STEPS} == set(yard.signatures)
        for key, signature in yard.signatures.items():
            assert {"title", "description", "category", "icon", "tags"} <= yard.options[key].keys()
            assert signature.takes_context
            assert signature.output_schema is not None
            assert all("default" in field for field in signature.input_schema["properties"].values())


class TestBackup:
    def test_copies_and_verifies(self, folder: Path, tmp_path: Path, progress: list[tuple[int, int]]) -> None:
        target = tmp_path / "backups" / "shop.db"
        made = backup.back_up(folder / workspace.SHOP_DATABASE, target, on_progress_to(progress))
        assert made.size == target.stat().st_size
        assert made.sha256 == hashlib.sha256(target.read_bytes()).hexdigest()
        assert {table.name: table.rows for table in made.tables} == {
            "order_lines": rows(target, "order_lines"),
            "orders": 20_000,
            "products": 400,
        }
        assert dump(target) == dump(folder / workspace.SHOP_DATABASE)
        assert progress == sorted(progress)
        assert progress[-1][0] == progress[-1][1]
        assert [path.name for path in target.parent.iterdir()] == ["shop.db"]

    def test_what_others_write_meanwhile_does_not_disturb_it(self, folder: Path, tmp_path: Path) -> None:
        source = tmp_path / "shop.db"
        source.write_bytes((folder / workspace.SHOP_DATABASE).read_bytes())

        def write(done: int, total: int) -> None:
            with closing(sqlite3.connect(source)) as other, other:
                other.execute("DELETE FROM order_lines WHERE order_id % 7 = ?", (done % 7,))

        made = backup.back_up(source, tmp_path / "copy.db", write, pages_per_step=200)
        assert rows(tmp_path / "copy.db", "order_lines") == rows(folder / workspace.SHOP_DATABASE, "order_lines")
        assert rows(source, "order_lines") < rows(tmp_path / "copy.db", "order_lines")
        assert made.tables

    def test_stopped_on_the_way_it_leaves_nothing(self, folder: Path, tmp_path: Path) -> None:
        def stop(done: int, total: int) -> None:
            raise InterruptedError

        with pytest.raises(InterruptedError):
            backup.back_up(folder / workspace.SHOP_DATABASE, tmp_path / "copy.db", stop)
        assert not list(tmp_path.iterdir())

    def test_something_else_than_a_database_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "text.db").write_text("no database " * 100)
        with pytest.raises(sqlite3.DatabaseError):
            backup.back_up(tmp_path / "text.db", tmp_path / "copy.db", ignore)
        with pytest.raises(FileNotFoundError):
            backup.back_up(tmp_path / "none.db", tmp_path / "copy.db", ignore)
        assert [path.name for path in tmp_path.iterdir()] == ["text.db"]

    def test_prune_keeps_the_last(self, tmp_path: Path) -> None:
        for name in ("shop-1.db", "shop-2.db", "shop-3.db", "other.db"):
            (tmp_path / name).touch()
        assert [path.name for path in backup.prune(tmp_path, "shop-*.db", 2)] == ["shop-1.db"]
        assert backup.prune(tmp_path, "shop-*.db", 5) == []


def rows(database: Path, table: str) -> int:
    with closing(sqlite3.connect(database)) as connection:
        (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    return int(count)


class TestImport:
    @pytest.fixture
    def refused(self) -> list[customers.RowError]:
        return []

    def test_stores_the_good_rows_and_reports_the_others(
        self, folder: Path, tmp_path: Path, progress: list[tuple[int, int]], refused: list[customers.RowError]
    ) -> None:
        database, errors = tmp_path / "customers.db", tmp_path / "errors.csv"
        result = customers.import_customers(
            folder / workspace.CUSTOMERS_CSV, database, errors, on_progress_to(progress), refused.append
        )
        assert (result.rows, result.refused) == (CUSTOMER_COUNT, BROKEN_CUSTOMER_COUNT)
        assert rows(database, "customers") == result.imported == CUSTOMER_COUNT - BROKEN_CUSTOMER_COUNT
        assert progress[0] == (0, CUSTOMER_COUNT)
        assert progress[-1] == (CUSTOMER_COUNT, CUSTOMER_COUNT)
        with errors.open(newline="") as file:
            assert [customers.RowError.model_validate(row) for row in csv.DictReader(file)] == refused
        assert {row.column for row in refused} == {"name", "email", "country", "signed_up", "amount"}

    def test_says_what_is_wrong_with_each_row(self, tmp_path: Path, refused: list[customers.RowError]) -> None:
        source = tmp_path / "rows.csv"
        source.write_text(
            "number,name,email,country,signed_up,amount\n"
            "1,Ida Lange,ida@example.com,DE,2024-02-29,10.50\n"
            "2,Ida Lange,IDA@example.com,DE,2024-02-29,10.50\n"
            "3,Ida Lange,ida at example.com,DE,2024-02-29,10.50\n"
            "4,Ida Lange,ida.4@example.com,XX,2024-02-29,10.50\n"
            "5,Ida Lange,ida.5@example.com,DE,2023-02-29,10.50\n"
            "6,Ida Lange,ida.6@example.com,DE,2024-02-29,-1\n"
            "7,Ida Lange,ida.7@example.com\n"
            "8,Ida Lange,ida.8@example.com,DE,2024-02-29,10.50,what is this\n"
        )
        result = customers.import_customers(
            source, tmp_path / "customers.db", tmp_path / "errors.csv", ignore, refused.append
        )
        assert (result.imported, result.refused) == (1, 7)
        assert [(row.line, row.column) for row in refused] == [
            (3, "email"), (4, "email"), (5, "country"), (6, "signed_up"), (7, "amount"), (8, "country"), (9, "more"),
        ]  # fmt: skip
        assert refused[0].error == "stands in line 2 already"
        assert refused[1].error == "is not an e-mail address"

    def test_updates_or_replaces(self, tmp_path: Path) -> None:
        def run(name: str, email: str, *, replace: bool) -> list[tuple[str, str]]:
            source = tmp_path / "rows.csv"
            source.write_text(f"number,name,email,country,signed_up,amount\n1,{name},{email},DE,2024-01-01,1.00\n")
            customers.import_customers(source, tmp_path / "c.db", tmp_path / "e.csv", ignore, ignore, replace=replace)
            with closing(sqlite3.connect(tmp_path / "c.db")) as connection:
                return connection.execute("SELECT name, email FROM customers ORDER BY email").fetchall()

        assert run("Ida", "a@example.com", replace=False) == [("Ida", "a@example.com")]
        assert run("Eda", "a@example.com", replace=False) == [("Eda", "a@example.com")]
        assert len(run("Ole", "b@example.com", replace=False)) == 2
        assert run("Una", "c@example.com", replace=True) == [("Una", "c@example.com")]

    def test_stopped_on_the_way_it_changes_nothing(self, folder: Path, tmp_path: Path) -> None:
        def stop_in_the_middle(done: int, total: int) -> None:
            if done > total / 2:
                raise InterruptedError

        database = tmp_path / "customers.db"
        source = folder / workspace.CUSTOMERS_CSV
        customers.import_customers(source, database, tmp_path / "e.csv", ignore, ignore)
        with pytest.raises(InterruptedError):
            customers.import_customers(source, database, tmp_path / "e.csv", stop_in_the_middle, ignore, replace=True)
        assert rows(database, "customers") == CUSTOMER_COUNT - BROKEN_CUSTOMER_COUNT


class TestChecksums:
    def test_lists_every_file_and_finds_the_copies(
        self, folder: Path, tmp_path: Path, progress: list[tuple[int, int]]
    ) -> None:
        listing = tmp_path / "checksums"
        result = checksums.checksum_folder(folder / workspace.FILES, listing, on_progress_to(progress))
        assert result.files == FILE_COUNT
        assert progress[-1] == (FILE_COUNT, FILE_COUNT)
        for line in listing.read_text().splitlines():
            checksum, name = line.split("  ")
            assert hashlib.sha256((folder / workspace.FILES / name).read_bytes()).hexdigest() == checksum
        assert sum(len(same.files) - 1 for same in result.duplicates) == FILE_COUNT // 9
        assert result.wasted == sum((len(same.files) - 1) * same.size for same in result.duplicates)

    def test_an_empty_folder_and_none(self, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        result = checksums.checksum_folder(tmp_path / "empty", tmp_path / "sums", ignore)
        assert (result.files, result.size, result.duplicates) == (0, 0, [])
        with pytest.raises(NotADirectoryError):
            checksums.checksum_folder(tmp_path / "none", tmp_path / "sums", ignore)


class TestRemote:
    def test_the_rate_service_refuses_two_calls_of_a_run(self, tmp_path: Path) -> None:
        counter = tmp_path / "service" / "1.calls"
        for _ in range(remote.FAILING_CALLS):
            with pytest.raises(remote.ServiceUnavailableError):
                remote.fetch_rates(counter, "USD", ["EUR", "USD"])
        answer = remote.fetch_rates(counter, "USD", ["EUR", "USD"])
        assert answer.rates == {"EUR": pytest.approx(0.9174)}
        assert answer.calls == remote.FAILING_CALLS + 1

    async def test_nobody_answers_for_the_legacy_system(self) -> None:
        with pytest.raises(ConnectionRefusedError):
            await remote.notify_legacy_system("hello")


class TestReport:
    @pytest.fixture
    def database(self, folder: Path, tmp_path: Path) -> Path:
        path = tmp_path / "customers.db"
        customers.import_customers(folder / workspace.CUSTOMERS_CSV, path, tmp_path / "e.csv", ignore, ignore)
        return path

    @pytest.mark.parametrize(
        ("report_format", "name"), [("html", "weekly-report.html"), ("markdown", "weekly-report.md")]
    )
    def test_totals_by_country(
        self, database: Path, tmp_path: Path, report_format: report.ReportFormat, name: str
    ) -> None:
        result = report.write_report(database, tmp_path / "outbox", report_format)
        assert result.file == str(tmp_path / "outbox" / name)
        assert result.customers == CUSTOMER_COUNT - BROKEN_CUSTOMER_COUNT
        with closing(sqlite3.connect(database)) as connection:
            (cents,) = connection.execute("SELECT sum(amount_cents) FROM customers").fetchone()
        assert result.total == pytest.approx(cents / 100)
        totals = [country.total for country in result.countries]
        assert totals == sorted(totals, reverse=True)
        text = Path(result.file).read_text(encoding="utf-8")
        assert result.summary in text
        assert all(country.country in text and f"{country.total:,.2f}" in text for country in result.countries)

    def test_before_the_first_import_it_says_so(self, tmp_path: Path) -> None:
        with pytest.raises(report.NothingToReportError, match="import them first"):
            report.write_report(tmp_path / "none.db", tmp_path)
        assert not list(tmp_path.iterdir())
