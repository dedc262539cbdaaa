"""A proxy in front of an object store that pauses a run midway.

The first requests for photos under a prefix pass; the rest are held until the test opens the gate.
All other requests pass immediately.
"""

import subprocess
import time

from leftovers import LABEL

PORT = 7071
LET_THROUGH = 20
"""Number of photos that pass a closed gate, so that the run has already featurized some."""

# Bytes are forwarded unchanged, so that signatures stay valid. GET requests have no body and arrive
# in one piece, so data that starts like one is one.
_PROGRAM = """
import asyncio, signal, sys
store, begin, left = sys.argv[1], sys.argv[2].encode(), int(sys.argv[3])
async def main():
    opened = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, opened.set)
    async def pass_on(reader, writer, gate):
        global left
        try:
            while data := await reader.read(1 << 16):
                if gate and data.startswith(begin):
                    left -= 1
                    if left < 0 and not opened.is_set():
                        print("held", flush=True)
                        await opened.wait()
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()
    async def serve(reader, writer):
        try:
            up = await asyncio.open_connection(store, 7070)
        except OSError:
            return writer.close()
        await asyncio.gather(pass_on(reader, up[1], True), pass_on(up[0], writer, False))
    server = await asyncio.start_server(serve, "0.0.0.0", int(sys.argv[4]))
    print("listening", flush=True)
    await server.serve_forever()
asyncio.run(main())
"""


class Gate:
    """The gate, in its own container, removed at the end of the `with` block."""

    def __init__(self, image: str, network: str, store: str, photos: str):
        """`store` is the name or address of the object store, `photos` an s3:// prefix."""
        begin = f"GET /{photos.removeprefix('s3://')}/"
        self._id = _docker(
            *("run", "--detach", "--label", LABEL, "--network", network),
            *("--entrypoint", "python3", image, "-c", _PROGRAM),
            *(store, begin, str(LET_THROUGH), str(PORT)),
        )
        self._wait_for("listening")
        form = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        self.address = f"{_docker('inspect', '--format', form, self._id)}:{PORT}"

    @property
    def environ(self) -> list[str]:
        """Arguments of `env` that route a run and its workers through the gate."""
        url = f"http://{self.address}"
        conf = f"spark.executorEnv.AWS_ENDPOINT_URL={url}"
        return [
            f"AWS_ENDPOINT_URL={url}",
            f"PYSPARK_SUBMIT_ARGS=--conf {conf} pyspark-shell",
        ]

    def wait_until_held(self) -> None:
        """Wait until a photo is held, when the run is midway."""
        self._wait_for("held")

    def open(self) -> None:
        _docker("kill", "--signal", "USR1", self._id)

    def __enter__(self) -> "Gate":
        return self

    def __exit__(self, *_: object) -> None:
        _docker("rm", "--force", self._id)

    def _wait_for(self, word: str, timeout_s: float = 240) -> None:
        end = time.monotonic() + timeout_s
        while word not in (logs := _docker("logs", self._id)).split():
            assert time.monotonic() < end, f"after {timeout_s} s the gate says no {word!r}: {logs}"
            time.sleep(0.2)


def _docker(*words: str) -> str:
    done = subprocess.run(["docker", *words], text=True, capture_output=True, check=True)  # noqa: S607
    return done.stdout.strip()
