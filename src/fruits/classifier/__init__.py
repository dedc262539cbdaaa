"""A classifier on stored features: training, evaluation and prediction."""
