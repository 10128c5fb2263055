"""Conversion of an imported model to one ONNX graph."""
