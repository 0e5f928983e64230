"""How this worker uses OpenVINO and ONNX Runtime: on the thread that asks."""
