"""MobileNetV2: weights, export and inference."""
