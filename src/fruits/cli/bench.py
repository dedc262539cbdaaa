"""`fruits bench`: runs the benchmark of a checkout."""

import runpy
import sys
from pathlib import Path

import click

from fruits.cli.options import Verb
from fruits.errors import FruitsError


@click.command(
    cls=Verb,
    example="fruits bench ~/photos",
    context_settings={"ignore_unknown_options": True},
)
@click.argument("photos")
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def bench(photos: str, options: tuple[str, ...]) -> None:
    """Benchmark this pipeline against the public notebooks' approach and no Spark at all.

    It takes about half an hour. For its options, run `fruits bench PHOTOS -- --help`.
    """
    script = Path(__file__).resolve().parents[3] / "bench" / "bench.py"
    if not script.exists():
        raise FruitsError("the benchmark is part of the project's checkout: run `make bench` there")
    sys.argv = [str(script), photos, *options]
    runpy.run_path(str(script), run_name="__main__")
