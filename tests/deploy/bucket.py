"""What lies in the rehearsal's bucket: photos, and results of runs."""

import csv
import io
import os
from pathlib import Path

from places import SAMPLES

from deploy.rehearsal import BUCKET, Rehearsal

MANY = f"s3://{BUCKET}/many"
"""More photos than a closed gate lets through."""


def photos() -> Path:
    """Real photos if available, otherwise those rendered for the demo."""
    real = os.environ.get("FRUITS_TEST_PHOTOS")
    return Path(real) / "Apple" if real and Path(real, "Apple").is_dir() else SAMPLES


def rows(data: bytes | str) -> dict[str, list[str]]:
    text = data.decode("utf-8") if isinstance(data, bytes) else data
    return {row[0]: row[1:] for row in csv.reader(io.StringIO(text))}


def results_csv(cluster: Rehearsal, prefix: str = "results") -> bytes:
    data: bytes = cluster.s3.get_object(Bucket=BUCKET, Key=f"{prefix}/results.csv")["Body"].read()
    return data
