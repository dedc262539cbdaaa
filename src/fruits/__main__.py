"""The `fruits` command, and `python -m fruits`."""

import signal

# Ctrl-C waits until `signals` can handle it, in a few milliseconds; Python would print a traceback.
signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))

from fruits import signals  # noqa: E402

signals.handle()


def main() -> None:
    """Entry point of the command."""
    from fruits.cli.main import main as command  # not above: interrupts are handled by now

    command()


if __name__ == "__main__":
    main()
