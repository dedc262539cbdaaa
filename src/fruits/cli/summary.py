"""The tables that commands print at the end."""

from collections.abc import Mapping

from rich.table import Table

from fruits.classifier.evaluation import Evaluation, Interval
from fruits.progress import Progress
from fruits.results.manifest import Manifest
from fruits.terminal import echo, echo_table


def print_summary(manifest: Manifest, results: str, progress: Progress) -> None:
    """Prints a summary table of a run, and the paths of the CSV and the report."""
    counts, seconds = manifest.counts, progress.seconds
    table = Table(box=None, show_header=False, padding=(0, 2))
    table.add_row("photos", f"{counts['listed']}", f"{counts['ignored']} other files ignored")
    if manifest.skipped:
        table.add_row("skipped", f"{sum(manifest.skipped.values())}", by_kind(manifest.skipped))
    table.add_row("features", f"{counts['features']}", f"{counts['featurized']} made by this run")
    table.add_row("rejects", f"{counts['rejects']}", "see the report for why")
    table.add_row("labels", f"{sum(1 for label in manifest.labels if label)}", "")
    if manifest.explained_variance:
        kept, share = len(manifest.explained_variance), sum(manifest.explained_variance)
        table.add_row("components", f"{kept}", f"{share:.1%} of the variance")
    table.add_row("weights", manifest.model["name"], f"{manifest.engine}, {manifest.precision}")
    for step, taken in seconds.items():
        speed = counts["featurized"] / taken if step == "featurize" and taken else 0
        table.add_row(step, f"{taken:.1f} s", f"{speed:.0f} photos a second" if speed else "")
    echo_table(table)
    where = results.rstrip("/")
    if manifest.csv:
        echo(f"CSV     {where}/{manifest.csv}")
        echo(f"Report  {where}/report.html")


def by_kind(skipped: Mapping[str, int]) -> str:
    """How many files and folders of systems were skipped, as text."""
    kinds = ", ".join(f"{count} {kind}" for kind, count in skipped.items())
    return f"files and folders of systems: {kinds}"


def print_evaluation(evaluation: Evaluation) -> None:
    """Prints the metrics as a short table."""

    def share(value: float | None) -> str:
        return "not defined" if value is None else f"{value:.1%}"

    def between(interval: Interval) -> str:
        return f"{interval[0]:.1%} to {interval[1]:.1%}" if interval else ""

    table = Table(box=None, show_header=False, padding=(0, 2))
    table.add_row("photos", f"{evaluation.photos}", evaluation.how)
    for name, interval in evaluation.intervals.items():
        value = evaluation.metrics[name]
        table.add_row(name.replace("_", " "), share(value), between(interval))
    for name, baseline in evaluation.baselines.items():
        shown = f"accuracy of {name.replace('_', ' ')}"
        table.add_row(shown, share(baseline.accuracy), between(baseline.interval))
    if evaluation.on_photos:
        if rejects := evaluation.on_photos.rejects:
            table.add_row("rejects", f"{rejects}", "")
        if others := evaluation.on_photos.other_photos:
            not_confident = share(evaluation.on_photos.other_photos_not_confident)
            table.add_row("of other labels", f"{others}", f"not confident: {not_confident}")
    echo_table(table)
