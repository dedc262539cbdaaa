"""The line that says why Spark can't be started."""

import pytest

from fruits.session.environment import JVM_OPTIONS, SPARK_VARIABLES
from fruits.session.launch import _reason

UNKNOWN = "java.lang.IllegalStateException: something\n\tat Main"
NO_MASTER = "org.apache.spark.SparkException: All masters are unresponsive! Giving up."
NO_HEAP = "Error: Could not reserve enough space for object heap"


@pytest.fixture(autouse=True)
def cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of a cluster's image."""
    for name in (*JVM_OPTIONS, *SPARK_VARIABLES):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SPARK_CONF_DIR", "/run/fruits/spark")
    monkeypatch.setenv("HADOOP_CONF_DIR", "/etc/hadoop")


def test_a_known_cause_is_not_blamed_on_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYSPARK_SUBMIT_ARGS", "--conf a=b")
    for local in (False, True):
        said = _reason(NO_MASTER, "", local=local)
        assert said == "Spark can't be started, the master does not answer: check --master"


def test_variables_that_set_the_heap_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _reason("", NO_HEAP, local=False).endswith("pass another --driver-memory")
    monkeypatch.setenv("_JAVA_OPTIONS", "-Xmx999g")
    said = _reason("", NO_HEAP, local=False)
    assert said.endswith("pass another --driver-memory; correct or unset _JAVA_OPTIONS")


def test_settings_of_a_cluster_are_not_to_be_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    said = _reason(UNKNOWN, "", local=False)
    assert said == "Spark can't be started (IllegalStateException: something): run `fruits doctor`"
    assert "unset SPARK_CONF_DIR, HADOOP_CONF_DIR, or run" in _reason(UNKNOWN, "", local=True)
    monkeypatch.setenv("PYSPARK_SUBMIT_ARGS", "--conf a=b")
    said = _reason(UNKNOWN, "", local=False)
    assert said.endswith(": correct or unset PYSPARK_SUBMIT_ARGS, or run `fruits doctor`")
