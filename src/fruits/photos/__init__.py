"""Which photos there are, and what their bytes show."""
