"""Shared parts of the verbs of the `fruits` command: flags, help and start-up."""

import functools
from collections.abc import Callable
from contextlib import nullcontext, suppress
from typing import Any, TypeVar

import click

from fruits import signals
from fruits.progress import Progress
from fruits.settings import Settings, load, options

F = TypeVar("F", bound=Callable[..., Any])

SPARK = ("master", "driver_memory", "config")
"""Flags of verbs that start Spark. FEATURIZE and PCA: of those that featurize or fit a PCA."""
FEATURIZE = (
    *("weights", "engine", "precision", "decode"),
    *("max_megapixels", "reads_in_flight", "cache"),
    *("labels", "system_files"),
)
PCA = ("variance", "components")


def _flag(name: str) -> Callable[[F], F]:
    if name == "config":
        text = "Settings in TOML. Default: fruits.toml, if it exists."
        return click.option("--config", metavar="FILE", help=text)
    option, default = options()[name], getattr(Settings, name, None)
    text = option.help if default is None else f"{option.help} Default: {default}."
    return click.option(f"--{name.replace('_', '-')}", metavar=option.metavar, help=text)


def settings_of(*names: str) -> Callable[[F], F]:
    """Adds flags for these settings to a verb, which gets them as one argument `settings`."""

    def decorate(verb: F) -> F:
        @functools.wraps(verb)
        def with_settings(config: str | None = None, **given: Any) -> Any:
            flags = {name: given.pop(name) for name in names if name != "config"}
            return verb(settings=load(flags, config), **given)

        decorated: Any = with_settings
        for name in reversed(names):
            decorated = _flag(name)(decorated)
        return decorated  # type: ignore[no-any-return]

    return decorate


class Verb(click.Command):
    """A verb whose help ends with a verbatim example."""

    def __init__(self, *args: Any, example: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.example = example

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Example"):
            for line in self.example.splitlines():
                formatter.write(f"  {line}\n")


def new_progress() -> Progress:
    """The progress display of a verb, on standard error."""
    return Progress()


def new_session(
    settings: Settings,
    progress: Progress,
    results: str,
    photos: str | None = None,
    *,
    upgrade: bool = False,
    writes: bool = True,
) -> Any:
    """Starts a session, after checking the arguments, as starting it takes seconds.

    Results of an older version are accepted with `upgrade`, and with `photos`, as a run upgrades
    them. `writes` says whether the verb changes results.
    """
    if writes:
        signals.note(f"{results} is as it was before")
    # Not at the top: `fruits doctor` must start where these can't be imported.
    from fruits.results import open_results
    from fruits.results.manifest import OlderFormat
    from fruits.results.writing import check_free
    from fruits.session import start_session
    from fruits.storage import open_folder

    with suppress(OlderFormat) if photos or upgrade else nullcontext():
        store = open_results(results)
        if photos is not None and writes:
            check_free(store.folder)
        elif photos is None and not upgrade:
            store.current()
    if photos is not None:
        open_folder(photos).check_there()
    with progress.step("start Spark"):
        return start_session(settings, s3=results.startswith(("s3:", "s3a:", "s3n:")))
