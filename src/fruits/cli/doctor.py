"""`fruits doctor`: checks all that runs need."""

import sys
from collections.abc import Iterable, Iterator
from functools import partial

import click
from rich.table import Table

from fruits.cli.options import SPARK, Verb, settings_of
from fruits.doctor import bucket, disk, machine, session
from fruits.doctor.check import Check, Named, Row, run
from fruits.errors import FruitsError
from fruits.session import environment
from fruits.settings import Settings
from fruits.terminal import echo_table, printable

_MARKS = {"passed": ("✓", "ok"), "warning": ("!", "!"), "failed": ("✗", "FAILED")}


@click.command(
    cls=Verb, example="fruits doctor\nfruits doctor ~/photos results/\nfruits doctor s3://b/photos"
)
@click.argument("photos", required=False)
@click.argument("results", required=False)
@settings_of("weights", "cache", "system_files", *SPARK)
def doctor(photos: str | None, results: str | None, settings: Settings) -> None:
    """Check this machine, and access to PHOTOS and RESULTS: all that runs need.

    Nothing is left: a test object that is written to RESULTS in S3 is deleted. Failed checks say
    what to do; the exit code is then 1. Runs work in spite of warnings (!).
    """
    table = Table(box=None, show_header=False, padding=(0, 1))
    for column in range(3):
        table.add_column(no_wrap=column < 2, overflow="fold")
    failed = False
    for row in run(_announced(_checks(photos, results, settings))):
        failed |= row.state == "failed"
        table.add_row(*_cells(row))
    echo_table(table)
    if failed:
        sys.exit(1)


def _announced(checks: Iterable[Named]) -> Iterator[Named]:
    """The same checks; on a terminal, the name of the current one is shown."""
    for check in checks:
        if sys.stderr.isatty():
            click.echo(f"\r\x1b[K{check.name} …", nl=False, err=True)
        yield check
    if sys.stderr.isatty():
        click.echo("\r\x1b[K", nl=False, err=True)


def _cells(row: Row) -> tuple[str, str, str]:
    utf8 = (getattr(sys.stdout, "encoding", None) or "").lower().startswith("utf")
    mark, plain = _MARKS[row.state]
    lines = [row.found, f"-> {row.advice}"] if row.advice else [row.found]
    return mark if utf8 else plain, row.name, "\n".join(map(printable, lines))


def _checks(photos: str | None, results: str | None, settings: Settings) -> Iterator[Named]:
    try:
        local = environment.is_local(environment.master(settings.master))
    except FruitsError:  # of PYSPARK_SUBMIT_ARGS, which the row of Spark reports
        local = True
    yield Named("Python", machine.python)
    yield Named("packages", machine.packages, 65)
    yield Named("Java", machine.java, 25)
    yield Named("Spark", partial(machine.spark, local=local))
    if local:
        yield Named("Python of workers", machine.workers_python, 65)
    yield Named("session", partial(session.session, settings), session.TIMEOUT_S)
    yield Named("host name", partial(machine.host, local=local))
    yield Named("user", machine.user)
    yield Named("locale", machine.encoding)
    yield Named("modules", machine.modules)
    yield Named("memory", partial(machine.memory, settings, local=local))
    yield Named("temporary files", partial(disk.temporary, settings))
    yield Named("cache", partial(disk.cache, settings))
    yield Named("weights", partial(disk.weights, settings), 60)
    yield Named("region", bucket.region)
    places: list[bucket.Place] = []
    if photos is not None:
        yield from _photos(photos, settings.system_files, places)
    if results is not None:
        yield from _results(results, places)
    yield Named("clock", partial(bucket.clock, places), bucket.TIMEOUT_S)


def _photos(address: str, system_files: str, places: list[bucket.Place]) -> Iterator[Named]:
    if place := bucket.place_at(address):
        places.append(place)
        yield _in_s3("photos", partial(bucket.exists, place))
        yield _in_s3("photos: list", partial(bucket.list_photos, place, system_files))
        yield _in_s3("photos: read", partial(bucket.read_photo, place, system_files))
    else:
        yield Named("photos", lambda: disk.exists(disk.path(address)))
        yield Named("photos: list", lambda: disk.list_photos(disk.path(address), system_files))
        yield Named("photos: read", lambda: disk.read_photo(disk.path(address), system_files))


def _results(address: str, places: list[bucket.Place]) -> Iterator[Named]:
    if place := bucket.place_at(address):
        places.append(place)
        yield _in_s3("results", partial(bucket.exists, place))
        yield _in_s3("results: list", partial(bucket.list_results, place))
        yield _in_s3("results: read", partial(bucket.read_results, place))
        yield Named("results: write", partial(bucket.write, place), bucket.WRITE_TIMEOUT_S)
    else:
        yield Named("results: list", lambda: disk.list_results(disk.path(address)))
        yield Named("results: read", lambda: disk.read_results(disk.path(address)))
        yield Named("results: write", lambda: disk.write_results(disk.path(address)))


def _in_s3(name: str, check: Check) -> Named:
    return Named(name, check, bucket.TIMEOUT_S)
