"""`taskyard doctor`: what is missing, and how to mend it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.cli.command import Command, Ended
from tests.servers.ports import deaf_port, free_port

from taskyard.cli.doctor.finding import Health
from taskyard.cli.doctor.postgres import clock_finding


def found(ended: Ended) -> dict[str, str]:
    return {one["check"]: one["health"] for one in ended.json["findings"]}


@contextmanager
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield int(taken.getsockname()[1])


def test_a_fresh_folder_is_well_and_left_as_it_is(taskyard: Command) -> None:
    taskyard.settings["TASKYARD_PORT"] = str(free_port())
    ended = taskyard.done("doctor", "--json")
    assert set(found(ended).values()) == {"ok"}
    assert [path.name for path in taskyard.folder.iterdir()] == ["jobs.py"]


def test_what_is_wrong_comes_with_its_mend_and_exits_with_1(taskyard: Command) -> None:
    secrets = taskyard / ".taskyard"
    secrets.mkdir(mode=0o755)
    (secrets / "admin.token").write_text("x")
    (secrets / "admin.token").chmod(0o644)
    taskyard.settings["TASKYARD_HOST"] = "0.0.0.0"
    with taken_port() as port:
        taskyard.settings["TASKYARD_PORT"] = str(port)
        ended = taskyard("doctor", "--json")
    assert ended.code == 1
    assert ended.json["healthy"] is False
    health = found(ended)
    assert health["admin.token"] == "wrong"
    assert health["authentication"] == "wrong"
    assert health["data directory"] == "warning"
    assert health["port"] == "wrong"
    mends = {one["check"]: one["mend"] for one in ended.json["findings"]}
    assert mends["admin.token"].startswith("chmod 600")


def test_a_broker_that_cannot_be_reached_is_told(taskyard: Command) -> None:
    port = str(free_port())
    taskyard.settings |= {"TASKYARD_PORT": port, "TASKYARD_CONNECTOR": "kafka", "KAFKA_BROKERS": "127.0.0.1:1"}
    ended = taskyard("doctor", "--json")
    (finding,) = [one for one in ended.json["findings"] if one["check"] == "connector"]
    assert (ended.code, finding["health"]) == (1, "wrong")
    assert "kafka" in finding["message"]
    assert "events wait" in finding["mend"]


def test_a_connector_without_its_settings_is_told(taskyard: Command) -> None:
    taskyard.settings["TASKYARD_CONNECTOR"] = "sqs"
    ended = taskyard("doctor", "--json")
    (finding,) = [one for one in ended.json["findings"] if one["check"] == "connector"]
    assert (finding["health"], "AWS_REGION" in finding["message"]) == ("wrong", True)


def test_a_database_that_lacks_migrations_is_told_apart_from_one_without_workers(taskyard: Command) -> None:
    (taskyard / "taskyard.db").touch()
    taskyard.settings["TASKYARD_PORT"] = str(free_port())
    ended = taskyard("doctor", "--json")
    assert (ended.code, found(ended)["migrations"]) == (1, "wrong")
    taskyard.done("migrate")
    ended = taskyard.done("doctor")
    assert "`taskyard worker`" in ended.out


def test_an_unreadable_setting_is_a_finding(taskyard: Command) -> None:
    taskyard.settings["TASK_TIMEOUT"] = "soon"
    ended = taskyard("doctor", "--json")
    assert (ended.code, found(ended)) == (1, {"settings": "wrong"})


def test_a_variable_that_is_no_setting_is_warned_of(taskyard: Command) -> None:
    taskyard.settings |= {
        "TASKYARD_DATABSE_URL": "sqlite:///other.db", "TASK_TIMEOUTS": "5", "TASKYARD_X": "", "TASK_ROOT": "/",
        "TASKYARD_SERVICE_HOST": "10.0.0.1", "TASKYARD_PORT_8420_TCP_ADDR": "10.0.0.1", "TASKYARD_TASK_ID": "1",
        "TASKYARD_CONNECTION_ENV": "TASKYARD_CRM", "TASKYARD_CRM": "x",
    }  # fmt: skip
    findings = taskyard("doctor", "--json").json["findings"]
    assert [one["message"] for one in findings if one["check"] == "settings"] == [
        "TASKYARD_DATABSE_URL is no setting; did you mean TASKYARD_DATABASE_URL?",
        "TASKYARD_X is no setting",
        "TASK_TIMEOUTS is no setting; did you mean TASK_TIMEOUT?",
    ]


def test_a_port_that_kubernetes_sets_is_told(taskyard: Command) -> None:
    taskyard.settings["TASKYARD_PORT"] = "tcp://10.0.0.1:8420"
    refused = taskyard("tasks")
    assert (refused.code, "enableServiceLinks: false" in refused.err) == (2, True), refused


def test_postgresql_is_looked_into(taskyard: Command, postgres_dsn: str) -> None:
    taskyard.settings["TASKYARD_DATABASE_URL"] = postgres_dsn
    taskyard.settings["TASKYARD_PORT"] = str(free_port())
    first = taskyard("doctor", "--json")
    taskyard.done("migrate")
    second = taskyard("doctor", "--json")
    assert found(first)["migrations"] == "wrong"
    health = found(second)
    assert (health["postgresql"], health["clock"], health["migrations"]) == ("ok", "ok", "ok")
    assert health["fsync"] == "wrong"  # the server of the tests is not durable
    assert second.code == 1


def test_a_database_that_cannot_be_reached_keeps_its_password(taskyard: Command) -> None:
    with deaf_port() as port:
        taskyard.settings |= {
            "TASKYARD_DATABASE_URL": f"postgresql://me:hidden@127.0.0.1:{port}/db",
            "TASKYARD_PORT": str(port),
        }
        ended = taskyard("doctor")
    assert ended.code == 1
    assert "cannot be reached" in ended.out
    assert "hidden" not in ended.out + ended.err


def test_clocks_that_differ_are_warned_of() -> None:
    assert clock_finding(0.1, "the database's").health is Health.OK
    assert clock_finding(5.0, "the database's").health is Health.WARNING


def test_a_server_that_is_not_there_is_told(taskyard: Command) -> None:
    with deaf_port() as port:
        taskyard.settings["TASKYARD_URL"] = f"http://127.0.0.1:{port}"
        ended = taskyard("doctor", "--json")
    assert (ended.code, found(ended)) == (1, {"server": "wrong"})


def test_a_control_group_that_cannot_be_used_is_told(taskyard: Command) -> None:
    taskyard.settings["TASKYARD_CGROUP"] = "/none"
    ended = taskyard("doctor", "--json")
    (finding,) = [one for one in ended.json["findings"] if one["check"] == "code"]
    assert (ended.code, finding["health"], "TASKYARD_CGROUP" in finding["message"]) == (1, "wrong", True)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("sqlite:///jobs.py", "name another file"),
        ("sqlite:///folder", "this user may write to its file and folder"),
        ("sqlite://tasks.db", "use sqlite:///file.db"),
        ("sqlite:tasks.db", "use sqlite:///file.db"),
        ("sqlite:///", "use sqlite:///file.db"),
        ("sqlite://", "use sqlite:///file.db"),
    ],
)
def test_a_file_that_cannot_be_the_store_is_told_with_its_mend(taskyard: Command, url: str, told: str) -> None:
    (taskyard / "folder").mkdir()
    taskyard.settings["TASKYARD_DATABASE_URL"] = url
    refused = taskyard("tasks")
    assert (refused.out, len(refused.err.splitlines())) == ("", 1)
    assert told in refused.err
    findings = taskyard("doctor", "--json").json["findings"]
    assert any(told in one["message"] for one in findings if one["health"] == "wrong")
