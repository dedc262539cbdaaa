"""Spark sessions configured for this pipeline."""

from fruits.session.start import spark_errors, start_session, versions

__all__ = ["spark_errors", "start_session", "versions"]
