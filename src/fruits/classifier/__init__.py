"""A classifier on stored features: fitted, measured, asked."""
