"""Models that cannot be converted to ONNX, each in a process of its own (model_worker/)."""
