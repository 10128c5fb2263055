"""What runs a model: ONNX Runtime in this process, or a process of its own (features/isolated)."""
