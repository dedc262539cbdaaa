"""Photos -> features, on Spark, kept up to date."""
