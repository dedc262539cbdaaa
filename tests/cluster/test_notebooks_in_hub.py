"""The notebooks in the home folder of a Hub user, and that they run there."""

import json
from typing import Any

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


_EXECUTE = """
import sys, nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
notebook = nbformat.read(f"fresh-copies/{sys.argv[1]}", 4)
try:
    NotebookClient(notebook, timeout=600).execute()
except CellExecutionError:
    pass  # among the outputs
with open("executed.ipynb", "w") as file:
    nbformat.write(notebook, file)
"""


def _outputs(cluster: Cluster, user: str, name: str) -> list[Any]:
    """Execute a fresh copy of a notebook as a user, whose server is not needed; its outputs."""
    as_user = ("as-user", user)
    cluster.run(*as_user, "start-notebook", "--version")
    cluster.run(*as_user, "python", "-c", _EXECUTE, name)
    cells = json.loads(cluster.run(*as_user, "cat", "executed.ipynb"))["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", ())]
    assert [o for o in outputs if o.get("name") == "stderr"] == []
    return outputs


def test_notebooks_run_without_warnings_and_say_what_is_missing(cluster: Cluster) -> None:
    upload = ("fruits", "upload", "/opt/fruits/photos", "s3://fruits/samples/photos")
    _at_home(cluster, *upload)
    user = "nora"
    cluster.add_user(user)
    for name in ("explore.ipynb", "train.ipynb"):
        (error,) = _outputs(cluster, user, name)
        assert error["traceback"] == [
            f"ResultsError: there are no results in s3://fruits/users/{user}/results yet: "
            "run pipeline.ipynb first"
        ]
    pictures = {"pipeline.ipynb": 4, "explore.ipynb": 4, "train.ipynb": 3}
    for name, least in pictures.items():
        outputs = _outputs(cluster, user, name)
        assert [o for o in outputs if o["output_type"] == "error"] == []
        pages = ["".join(o.get("data", {}).get("text/html", "")) for o in outputs]
        assert sum("data:image/" in page for page in pages) >= least, name


def test_pipeline_notebook_says_how_to_upload_photos(cluster: Cluster) -> None:
    program = "from fruits.notebook import show_photos; show_photos('s3://fruits/nothing/here')"
    output = cluster.run("as-user", cluster.user, "python", "-c", program, check=False)
    assert "`fruits upload /opt/fruits/photos s3://fruits/nothing/here`" in output


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
