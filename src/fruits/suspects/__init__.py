"""Photos to look at, from stored features: near-duplicates, wrong labels, outliers."""
