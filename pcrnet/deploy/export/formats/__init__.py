"""The files that a graph is written as: ONNX, ``.pt2``, a MONAI Bundle."""
