"""Spark sessions configured for this pipeline."""

from fruits.session.failures import known_failure, spark_errors
from fruits.session.start import end_session, start_session, versions

__all__ = ["end_session", "known_failure", "spark_errors", "start_session", "versions"]
