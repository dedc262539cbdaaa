"""Photos of fruit -> MobileNetV2 features -> principal components, on Spark."""
