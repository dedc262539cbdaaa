"""Spark: a session set up for this job."""

from fruits.session.start import spark_errors, start_session, versions

__all__ = ["spark_errors", "start_session", "versions"]
