"""Batches of prepared photos -> features, computed by OpenVINO or TensorFlow."""

import io
import os
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fruits.errors import EngineError
from fruits.model import compiled
from fruits.model.frameworks import (
    build,
    gradient,
    import_openvino,
    plain_keras,
    probes,
    with_depths,
)
from fruits.model.load import DEPTHS, FEATURES, Model


class Engine(ABC):
    """A compiled model; one per process, not thread-safe."""

    batch: int
    """The number of photos to compute at a time, beyond which it gets no faster."""

    @abstractmethod
    def depths(self, photos: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32[n, 224, 224, 3] in [-1, 1] -> float32[n, 2816]: averages of `load.DEPTHS`."""

    def features(self, photos: NDArray[np.float32]) -> NDArray[np.float32]:
        """The same photos -> float32[n, 1280], the averages of the last layer."""
        return self.depths(photos)[:, -FEATURES:]


class OpenVINO(Engine):
    """The default engine: twice as fast as TensorFlow on CPUs, with little memory.

    Raises:
        EngineError: `precision` is bf16 and this CPU has no bfloat16 instructions.
    """

    batch = 1  # larger batches exceed the CPU cache and are slower

    def __init__(self, model: Model, precision: str, threads: int, *, emulate: bool = False):
        openvino = import_openvino()
        core = openvino.Core()
        cpu = core.get_property("CPU", "FULL_DEVICE_NAME")
        if precision == "bf16" and not emulate and not has_bf16():
            raise EngineError(
                f"this CPU ({cpu}) has no bfloat16 instructions: use --precision float32"
            )
        options = {
            # By default, OpenVINO would use bfloat16 on CPUs that support it.
            "INFERENCE_PRECISION_HINT": {"float32": "f32", "bf16": "bf16"}[precision],
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            # With pinning, the single thread of every worker process would run on core 0.
            "ENABLE_CPU_PINNING": False,
        }
        self._kept: Path | None = None
        self._compiled: Any = None
        self.was_kept = False
        """Whether a former process has compiled the network, and checked it."""
        if model.folder and model.folder.is_dir():
            self._kept = compiled.kept_in(model.folder, openvino.__version__, cpu, options)
            self._compiled = compiled.read(self._kept, core, options)
            self.was_kept = self._compiled is not None
        if not self.was_kept:
            network = core.read_model(model.files["model.xml"], model.files["model.bin"])
            network.reshape([1, 224, 224, 3])
            self._compiled = core.compile_model(network, "CPU", options)
        self._request = self._compiled.create_infer_request()

    def keep(self) -> None:
        """Keeps the compiled network for later processes, in the folder of the exported model."""
        if self._kept and not self.was_kept:
            compiled.keep(self._kept, self._compiled)

    def depths(self, photos: NDArray[np.float32]) -> NDArray[np.float32]:
        out = np.empty((len(photos), sum(DEPTHS)), np.float32)
        for i in range(len(photos)):
            out[i] = self._request.infer(photos[i : i + 1], share_inputs=True)[0][0]
        return out


class TensorFlow(Engine):
    """The reference engine: Keras itself, built and loaded as documented.

    Raises:
        EngineError: this process uses Keras with another backend.
    """

    batch = 64

    def __init__(self, model: Model, threads: int):
        with tempfile.TemporaryDirectory() as folder, plain_keras():
            import tensorflow

            try:
                tensorflow.config.threading.set_intra_op_parallelism_threads(threads)
                tensorflow.config.threading.set_inter_op_parallelism_threads(1)
            except RuntimeError:  # TensorFlow is already initialized in this process
                pass
            path = os.path.join(folder, "trunk.weights.h5")
            with open(path, "wb") as file:
                file.write(model.files["trunk.weights.h5"])
            photos = tensorflow.TensorSpec((None, 224, 224, 3), tensorflow.float32)
            with tensorflow.device("CPU:0"):
                self._model: Any = with_depths(build(path))
                # Traced here, while Keras' settings are those of this package, not at the first
                # call.
                self._traced: Any = tensorflow.function(
                    lambda batch: self._model(batch, training=False), jit_compile=False
                ).get_concrete_function(photos)
            self._as_tensor: Any = tensorflow.convert_to_tensor

    def depths(self, photos: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(self._traced(self._as_tensor(photos, "float32")), np.float32)


def described(
    engine: Engine, photos: NDArray[np.float32], *, depths: bool = False
) -> NDArray[np.float32]:
    """float32[n, views, 224, 224, 3] -> the features of each photo, averaged over its views.

    They are float32[n, 1280], or with `depths` float32[n, 2816]: the square roots of the averages
    of three layers. Roots keep a few large values from outweighing all others in a comparison
    (Arandjelović & Zisserman, "Three things everyone should know to improve object retrieval",
    CVPR 2012).
    """
    n, views = photos.shape[:2]
    flat = photos.reshape(n * views, *photos.shape[2:])
    rows = np.sqrt(engine.depths(flat)) if depths else engine.features(flat)
    return rows if views == 1 else rows.reshape(n, views, -1).mean(axis=1)


_TOLERANCE = 1e-3


def check_engine(engine: Engine, model: Model, name: str, *, quick: bool = False) -> None:
    """Compares the features of an engine in float32 with those that Keras computed at the export.

    With `quick`, only those of one photo.

    Raises:
        EngineError: they differ, because of settings that this package does not know of.
    """
    expected = np.load(io.BytesIO(model.files["features.npy"]), allow_pickle=False)
    photos = gradient()[None] if quick else probes()
    worst = float(np.abs(engine.depths(photos) - expected[-len(photos) :]).max())
    if not worst <= _TOLERANCE:
        raise EngineError(
            f"{name} computes features here that differ by {worst:.1e} from those of Keras: remove "
            "settings of TensorFlow, oneDNN (ONEDNN_…) and OpenVINO from the environment"
        )


FILES = {
    "openvino": ("model.xml", "model.bin", "features.npy"),
    "tensorflow": ("trunk.weights.h5", "features.npy"),
}
"""The files of an exported model that each engine needs."""


def has_bf16() -> bool:
    """Whether this machine's CPU supports bfloat16 natively, without emulation."""
    return "BF16" in import_openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def load_engine(name: str, model: Model, precision: str, threads: int) -> Engine:
    """A compiled engine, checked against Keras unless it computes in less than float32.

    Raises:
        EngineError: the precision is not available on this machine, or the features are wrong.
    """
    if name == "tensorflow":
        reference = TensorFlow(model, threads)
        check_engine(reference, model, name)
        return reference
    engine = OpenVINO(model, precision, threads)
    if precision == "float32":
        check_engine(engine, model, name, quick=engine.was_kept)
        engine.keep()  # only what was checked
    return engine


_compiled: dict[tuple[str, str, str], Engine] = {}


def engine_of_this_process(
    name: str, precision: str, sha256: str, model: Callable[[], Model]
) -> Engine:
    """A single-threaded engine, compiled on the first call and cached for later tasks.

    `model` returns the model with that sha256; it is only called on a cache miss.
    """
    key = (name, precision, sha256)
    if key not in _compiled:
        _compiled.clear()
        _compiled[key] = load_engine(name, model(), precision, threads=1)
    return _compiled[key]
