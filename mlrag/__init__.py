"""mlrag: answers from your own documents, in your own language, each claim cited."""

import os

os.environ.setdefault(
    "ORT_DISABLE_TELEMETRY", "1"
)  # onnxruntime reports to its makers unless told not to before it loads

__version__ = "0.1.0"
