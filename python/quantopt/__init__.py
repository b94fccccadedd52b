"""Tools around quantopt that need no compiler: converting models, extracting texts, running ONNX models."""
