"""The `fruits` command. Each verb has its own module here, imported only when it runs."""

import os
import signal
import sys
import traceback
from contextlib import suppress
from importlib import import_module
from typing import NoReturn

import click

from fruits import __version__, signals
from fruits.errors import FruitsError
from fruits.terminal import OutputClosed, echo, open_streams, use_utf8

VERBS = {
    "run": "Photos -> features, PCA, CSV and report: all steps, for new and changed photos only.",
    "labels": "Labels, splits and skipped files of PHOTOS, as the other commands see them.",
    "featurize": "Photos -> features and rejects: only the first step of `run`.",
    "pca": "Stored features -> new PCA, CSV and report: the second half of `run`.",
    "train": "Stored features -> a classifier of the labels, evaluated by cross-validation.",
    "evaluate": "Metrics of the classifier, with 95% intervals and two baselines.",
    "predict": "Predict which fruit photos show.",
    "report": "Rewrite report.html: variance, labels, scatter, sample photos, rejects.",
    "check": "Photos to look at: near-duplicates, labels that are probably wrong, outliers.",
    "erase": "Remove photos, and everything computed from them, from RESULTS.",
    "upload": "Copy the photos of a folder to S3, except those already there with the same size.",
    "weights": "Download, check and export weights now, so that later runs need no network.",
    "doctor": "Check this machine, and access to PHOTOS and RESULTS: all that runs need.",
    "bench": "Benchmark this pipeline against the public notebooks' approach and no Spark at all.",
}
"""Each verb with the first sentence of its help, as shown in the list of verbs."""


_FORMER = {"reduce": "pca"}  # verbs renamed since version 0.1.0


class _Verbs(click.Group):
    """Verbs that are imported when they are called, but not to list them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in _FORMER:
            echo(f"`fruits {cmd_name}` is now called `fruits {_FORMER[cmd_name]}`.", err=True)
            cmd_name = _FORMER[cmd_name]
        if cmd_name not in VERBS:
            return None
        try:
            verb: click.Command = getattr(import_module(f"fruits.cli.{cmd_name}"), cmd_name)
        except FruitsError:
            raise
        except Exception as error:
            from fruits.session.modules import explain_import_error

            raise explain_import_error(error) from error
        return verb

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.group(
    cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="fruits", message="%(prog)s %(version)s")
def cli() -> None:
    """Photos of fruit -> MobileNetV2 features -> principal components and a classifier, on Spark.

    PHOTOS and RESULTS are folders, or s3://BUCKET/PREFIX. A photo's label is the folder it is
    in. Every option can also be set in the environment (FRUITS_ENGINE=tensorflow) or in a file
    fruits.toml (engine = "tensorflow").

    \b
    Example:
      fruits run ~/photos results/      photos to CSV; run again for new and changed photos
      fruits train results/             train a classifier of the labels
      fruits predict results/ IMG.jpg   predict which fruit that photo shows
      fruits check results/             list copies, wrong labels and photos of something else
      fruits report results/            write the plots as one web page
      fruits run --help                 show all options of a verb
    """


def main() -> NoReturn:
    """Entry point of the command: a user error prints one line and gives exit code 2."""
    use_utf8()
    signals.handle()
    open_streams()
    signals.use_temporary_folder()
    # Set before numpy and Java load OpenBLAS, whose threads block each other on a busy machine.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    code = 1
    try:
        signals.interruptible()
        code = _run()
        sys.stdout.flush()
    except OutputClosed:  # `| head` has read enough
        code = 1
    except KeyboardInterrupt:
        code = 128 + signal.SIGINT
    except BaseException as error:
        code = _failed(error)
    finally:  # also if interrupted while an error is printed
        signals.leave(code)


def _run() -> int:
    try:
        # Click itself would end quietly at each EPIPE or EOFError, such as those of Spark.
        code = cli(prog_name="fruits", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort as abort:
        raise abort.__cause__ or abort from None
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        if "pyspark" in sys.modules:
            from fruits.session import end_session

            end_session()
    return code if isinstance(code, int) else 0


def _failed(error: BaseException) -> int:
    """Prints an error; the exit code is 2 if it is one that the user can fix."""
    reason = error if isinstance(error, FruitsError) else None
    if reason is None and "py4j" in sys.modules:
        from fruits.session import known_failure  # of Spark, outside of `spark_errors`

        reason = known_failure(error)
    with suppress(OSError, FruitsError):  # standard error can't be written, either
        if reason is None:
            traceback.print_exception(error)
            sys.stderr.flush()
        else:
            echo(f"fruits: {reason}", err=True)
    return 1 if reason is None else 2
