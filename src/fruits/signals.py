"""Ends the `fruits` command on Ctrl-C (SIGINT) or SIGTERM: within a second, with one line.

A run can be killed at any moment without harm to its results (see `results/store.py`), so this
waits for nobody: it kills the processes that this one has started (Spark's JVM, Python workers),
gives the main thread half a second to clean up after a KeyboardInterrupt, and exits. A thread of
its own does so, as the main thread may be in C code for seconds, or wait for threads that wait for
the network.

Only the command calls `handle`. In a notebook, an interrupt is an ordinary KeyboardInterrupt, and
everything here does nothing.
"""

import os
import select
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

_WORDS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}
_CLEAN_UP_S = 0.5  # for the main thread to remove its temporary files
_COMMIT_S = 5  # for a commit to end, which takes longer only if the storage hangs
_KILL_S = 1  # for killed processes to disappear

_stopping = threading.Event()
_main_ended = threading.Event()
_not_committing = threading.Event()
_not_committing.set()
_silencing = threading.RLock()  # a second signal may interrupt the handler of the first
_leaving = threading.Lock()
_stderr: int | None = None  # the real one, once it is silenced
_handled = False
_interruptible = False  # whether the main thread ends with `leave` after a KeyboardInterrupt
_raised = False  # whether it has got one, or must get none any more
_outcome = ""
_temporary: list[str] = []  # folders that `leave` removes


def handle() -> None:
    """Makes SIGINT and SIGTERM end this process, also if it was started with SIGINT ignored.

    Called again, it takes the signals back from libraries that have replaced the handlers.
    """
    global _handled
    if not _handled:
        _handled = True
        # Python writes the number of each signal into this pipe at once, whatever it is doing.
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        threading.Thread(target=_watch, args=(reader,), name="signals", daemon=True).start()
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    keep_handlers()


def are_handled() -> bool:
    """Whether this process is the command."""
    return _handled


def keep_handlers() -> None:
    """Takes the signals back from a library that has replaced the handlers (pyspark does)."""
    if are_handled():
        for number in _WORDS:
            signal.signal(number, _interrupt)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _WORDS)


def interruptible() -> None:
    """Makes signals raise a KeyboardInterrupt in the main thread, which must call `leave` then."""
    global _interruptible
    _interruptible = True


def note(outcome: str) -> None:
    """Sets what to print if the command is interrupted from now on."""
    global _outcome
    _outcome = outcome


@contextmanager
def committing() -> Iterator[None]:
    """Lets the block end before an interrupt takes effect (in the command, if it ends soon)."""
    if not _handled:
        with _interrupt_later():
            yield
        return
    _not_committing.clear()
    try:
        yield
    finally:
        _not_committing.set()
        if _stopping.is_set():
            _raise_once()


@contextmanager
def _interrupt_later() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    waiting: list[int] = []
    former = signal.signal(signal.SIGINT, lambda number, frame: waiting.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, former)
        if waiting:
            raise KeyboardInterrupt


def use_temporary_folder() -> None:
    """Makes this process, and those it starts, use a temporary folder that `leave` removes.

    Processes that are killed can't remove their own files.
    """
    with suppress(OSError):
        os.environ["TMPDIR"] = temporary_folder(os.environ.get("TMPDIR", "/tmp"))  # noqa: S108


def temporary_folder(parent: str) -> str:
    """Makes a folder there that `leave` removes; in one of these, that one suffices.

    Raises:
        OSError: it can't be made.
    """
    if parent in _temporary:
        return parent
    import shutil  # noqa: F401 (now, as `leave` must not wait for a thread that imports it)

    folder = os.path.join(parent, f"fruits-{os.urandom(6).hex()}")
    os.mkdir(folder, 0o700)
    _temporary.append(folder)
    return folder


def leave(code: int) -> NoReturn:
    """Ends the command and the processes it has started, without waiting for threads."""
    global _raised
    _raised = True  # a KeyboardInterrupt would end this
    _main_ended.set()
    if _stopping.is_set() or not _leaving.acquire(blocking=False):
        _wait_for_the_end()
    _end(code)


def _interrupt(number: int, frame: FrameType | None) -> None:
    _silence()
    _stopping.set()
    if _not_committing.is_set():
        _raise_once()


def _raise_once() -> None:
    global _raised
    if _raised:
        return
    if not _interruptible:
        _main_ended.set()
        _wait_for_the_end()
    _raised = True
    raise KeyboardInterrupt


def _wait_for_the_end() -> NoReturn:
    while True:
        signal.pause()  # the watching thread ends the process


def _watch(signals: int) -> None:
    while (number := os.read(signals, 1)[0]) not in _WORDS:
        pass
    _silence()
    _stopping.set()
    end_children()
    _main_ended.wait(_CLEAN_UP_S)
    committed = _not_committing.wait(_COMMIT_S)
    if not _leaving.acquire(blocking=False):
        return  # the command had ended just before
    end_children()
    outcome = _outcome if committed else "the commit had begun: run this again"
    line = f"fruits: {_WORDS[signal.Signals(number)]}{'; ' if outcome else ''}{outcome}\n"
    with suppress(OSError):
        stderr = 2 if _stderr is None else _stderr
        if os.isatty(stderr) and os.environ.get("TERM", "dumb") != "dumb":
            line = f"\r\x1b[2K\x1b[?25h{line}"  # clears the live line and shows the cursor
        os.write(stderr, line.encode(errors="backslashreplace"))
    _remove_temporary()
    os._exit(128 + number)


def _silence() -> None:
    """Nothing but the last line is printed from now on, whatever fails."""
    global _stderr
    with _silencing, suppress(OSError):  # too many files are open
        if _stderr is None:
            _stderr = os.dup(2)
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, 1)
            os.dup2(null, 2)


def _end(code: int) -> NoReturn:
    _silence()  # threads that talk to the JVM print that it has ended
    end_children()
    _remove_temporary()
    os._exit(code)


def _remove_temporary() -> None:
    if not _temporary:
        return
    import shutil

    for folder in _temporary:
        shutil.rmtree(folder, ignore_errors=True)


def end_children() -> None:
    """Kills the processes that this one has started, and theirs, and waits until they are gone.

    Raises no OSError, as nothing may keep the command from ending.
    """
    killed = []
    for process in _descendants():  # parents first, so that they start no more
        with suppress(OSError):
            killed.append(os.pidfd_open(process))
            signal.pidfd_send_signal(killed[-1], signal.SIGKILL)
    deadline = time.monotonic() + _KILL_S
    for handle in killed:
        select.select([handle], [], [], max(0, deadline - time.monotonic()))
        os.close(handle)


def _descendants() -> list[int]:
    """Processes started by this one, and by those, parents first."""
    children: dict[int, list[int]] = {}
    try:
        names = os.listdir("/proc")
    except OSError:  # too many files are open, or it is not mounted
        names = []
    for name in filter(str.isdigit, names):
        with suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
            parent = int(file.read().rpartition(b")")[2].split()[1])
            children.setdefault(parent, []).append(int(name))
    found = [os.getpid()]
    for process in found:
        found += children.get(process, [])
    return found[1:]
