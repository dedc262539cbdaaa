"""The notebooks in the home folder of a Hub user, and that they run there."""

import json

from cluster.local import Cluster


def _at_home(cluster: Cluster, *command: str) -> str:
    return cluster.run("as-user", cluster.user, *command)


def test_a_users_own_copy_stays_and_a_fresh_one_is_there(cluster: Cluster) -> None:
    start = ("start-notebook", "--version")  # everything but the server itself
    _at_home(cluster, *start)
    _at_home(cluster, "sh", "-c", "echo mine > explore.ipynb; rm pipeline.ipynb")
    _at_home(cluster, *start)
    assert _at_home(cluster, "cat", "explore.ipynb") == "mine\n"
    for fresh in ("pipeline.ipynb", "fresh-copies/pipeline.ipynb", "fresh-copies/explore.ipynb"):
        assert json.loads(_at_home(cluster, "cat", fresh))["cells"]
    _at_home(cluster, "rm", "explore.ipynb")


def _executed(cluster: Cluster, name: str) -> str:
    """Execute a fresh copy of a notebook; return it with its outputs, as JSON."""
    execute = f"jupyter nbconvert --to notebook --execute --stdout fresh-copies/{name} 2>&1"
    output = _at_home(cluster, "sh", "-c", execute)
    return json.dumps(json.loads(output[output.index('{\n "cells"') :]))


def test_explore_and_train_run_after_the_pipeline(cluster: Cluster) -> None:
    cluster.make("local-run")
    results = f"s3://fruits/users/{cluster.user}/results"
    _at_home(cluster, "fruits", "run", "s3://fruits/samples/photos", results)
    explored = _executed(cluster, "explore.ipynb")
    assert "Banana" in explored
    assert "pc_1" in explored
    trained = _executed(cluster, "train.ipynb")
    assert "calibration_error" in trained
    assert "data:image/jpeg" in trained  # a misclassified photo, next to one of the predicted kind


def test_large_files_go_to_the_bucket_in_parts(cluster: Cluster) -> None:
    """Multipart upload, read and rename in S3A, with the few AWS SDK modules in the images."""
    program = """
from fruits.session import start_session
from pyspark.sql.functions import randn
spark = start_session(s3=True)
rows = spark.range(3_000_000, numPartitions=1).select("id", randn(1).alias("number"))
rows.write.mode("overwrite").parquet("s3://fruits/large")
print("rows", spark.read.parquet("s3://fruits/large").count())
"""
    options = "--conf spark.hadoop.fs.s3a.multipart.size=5M pyspark-shell"
    output = _at_home(cluster, "env", f"PYSPARK_SUBMIT_ARGS={options}", "python", "-c", program)
    assert "rows 3000000" in output
    objects = cluster.s3.list_objects_v2(Bucket="fruits", Prefix="large/part-")["Contents"]
    assert len(objects) == 1
    assert objects[0]["Size"] > 20_000_000
