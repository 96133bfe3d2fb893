"""The network of multilingual-e5-small as an ONNX model, written without the `onnx` package.

Linear layers are `DynamicQuantizeMatMul`: int8 weights by output channel, activations quantised per text.
A few activation channels are 10-30 times larger than the rest; dividing them by a cap and multiplying the
weight column by it (SmoothQuant, Xiao et al. 2022) keeps int8 exact enough.
"""

from __future__ import annotations

import json
import struct
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlrag.embedding.e5.weights import Weights

_ONNX_TYPES = {"float32": 1, "int8": 3, "int64": 7}
_MICROSOFT = "com.microsoft"


@cache
def channel_caps() -> dict[str, dict[int, float]]:
    """Return the activation caps by layer and channel.

    "f1_0" is the input of layer 0's feed-forward, "f2_0" its inner activations.
    """
    raw = json.loads(Path(__file__).with_name("caps.json").read_text(encoding="utf-8"))
    return {layer: {int(c): float(v) for c, v in caps.items()} for layer, caps in raw.items()}


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def _integer(tag: int, number: int) -> bytes:
    return _varint(tag << 3) + _varint(number)


def _length(tag: int, size: int) -> bytes:
    """Return the tag and length that precede a field of `size` bytes."""
    return _varint(tag << 3 | 2) + _varint(size)


def _bytes(tag: int, data: str | bytes) -> bytes:
    data = data.encode() if isinstance(data, str) else data
    return _length(tag, len(data)) + data


def _attribute(name: str, value: float | int) -> bytes:
    if isinstance(value, float):
        body = _bytes(1, name) + _varint(2 << 3 | 5) + struct.pack("<f", value) + _integer(20, 1)
    else:
        body = _bytes(1, name) + _integer(3, value % (1 << 64)) + _integer(20, 2)
    return _bytes(5, body)


class Graph:
    """Collects the fields of an ONNX GraphProto as protobuf bytes. Weights are copied once, into the model file."""

    def __init__(self) -> None:
        self._parts: list[bytes | memoryview] = []

    def constant(self, name: str, array: NDArray[np.generic]) -> str:
        array = np.ascontiguousarray(array)
        dims = b"".join(_integer(1, d) for d in array.shape)
        kind = _integer(2, _ONNX_TYPES[array.dtype.name])
        head = dims + kind + _bytes(8, name) + _length(9, array.nbytes)
        self._parts += [_length(5, len(head) + array.nbytes) + head, array.reshape(-1).view(np.uint8).data]
        return name

    def node(self, op: str, inputs: list[str], outputs: list[str], domain: str = "", **attributes: float | int) -> str:
        body = b"".join(_bytes(1, x) for x in inputs) + b"".join(_bytes(2, x) for x in outputs) + _bytes(4, op)
        body += b"".join(_attribute(k, v) for k, v in attributes.items())
        self._parts.append(_bytes(1, body + (_bytes(7, domain) if domain else b"")))
        return outputs[0]

    def port(self, tag: int, name: str, dims: list[int | str]) -> None:
        shape = b"".join(_bytes(1, _integer(1, d) if isinstance(d, int) else _bytes(2, d)) for d in dims)
        tensor = _bytes(1, _integer(1, _ONNX_TYPES["float32"]) + _bytes(2, shape))
        self._parts.append(_bytes(tag, _bytes(1, name) + _bytes(2, tensor)))

    def model(self) -> bytes:
        graph = [*self._parts, _bytes(2, "e5")]
        standard = _bytes(8, _integer(2, 17))
        extended = _bytes(8, _bytes(1, _MICROSOFT) + _integer(2, 1))
        return b"".join([_integer(1, 9), _length(7, sum(map(len, graph))), *graph, standard, extended])


class _Builder:
    """Layers of the network over one weight file."""

    def __init__(self, weights: Weights, limit: int) -> None:
        self.graph = Graph()
        self._weights = weights
        self._limit = limit

    def norm(self, x: str, prefix: str, out: str) -> str:
        w, hidden = self._weights, self._weights.hidden
        scale = self.graph.constant(f"{prefix}.w", w.matrix(f"{prefix}.w", hidden))
        shift = self.graph.constant(f"{prefix}.b", w.matrix(f"{prefix}.b", hidden))
        return self.graph.node("LayerNormalization", [x, scale, shift], [out], epsilon=float(w.epsilon), axis=-1)

    def linear(
        self,
        x: str,
        names: list[str],
        out: str,
        height: int,
        width: int,
        caps: dict[int, float] | None = None,
    ) -> str:
        """Add one or several weight matrices side by side, (height, width) in all, quantised by row."""
        rows = height // len(names)
        weight = np.concatenate([self._weights.matrix(f"{n}.w", rows, width) for n in names])
        bias = np.concatenate([self._weights.matrix(f"{n}.b", rows) for n in names])
        if caps:
            cap = np.ones(width, np.float32)
            cap[list(caps)] = list(caps.values())
            weight *= cap
            x = self.graph.node("Mul", [x, self.graph.constant(f"{out}.cap", 1 / cap)], [f"{out}.x"])
        scale = (np.abs(weight).max(1) / self._limit).astype(np.float32)
        weight /= scale[:, None]
        quantised = np.rint(weight, weight).astype(np.int8)
        inputs = [
            x,
            self.graph.constant(f"{out}.q", quantised.T),
            self.graph.constant(f"{out}.s", scale),
            "",
            self.graph.constant(f"{out}.b", bias),
        ]
        return self.graph.node("DynamicQuantizeMatMul", inputs, [out], _MICROSOFT)

    def layer(self, x: str, number: int) -> str:
        g, p, hidden, inner = self.graph, f"l{number}", self._weights.hidden, self._weights.inner
        qkv = self.linear(x, [f"{p}.q", f"{p}.k", f"{p}.v"], f"{p}.qkv", 3 * hidden, hidden)
        parts = [f"{p}.query", f"{p}.key", f"{p}.value"]
        g.node("Split", [qkv, "thirds"], parts, axis=-1)
        g.node("MultiHeadAttention", parts, [f"{p}.mix"], _MICROSOFT, num_heads=self._weights.heads)
        attended = self.linear(f"{p}.mix", [f"{p}.ao"], f"{p}.attended", hidden, hidden)
        x = self.norm(g.node("Add", [attended, x], [f"{p}.sum1"]), f"{p}.aln", f"{p}.norm1")
        caps = channel_caps()
        wide = self.linear(x, [f"{p}.fi"], f"{p}.wide", inner, hidden, caps[f"f1_{number}"])
        wide = g.node("Gelu", [wide], [f"{p}.gelu"], _MICROSOFT)
        narrow = self.linear(wide, [f"{p}.fo"], f"{p}.narrow", hidden, inner, caps[f"f2_{number}"])
        return self.norm(g.node("Add", [narrow, x], [f"{p}.sum2"]), f"{p}.oln", f"{p}.norm2")


def build_network(weights: Weights, limit: int) -> bytes:
    """Return the model file: input x (1, tokens, hidden) of summed embeddings, output the last hidden states.

    `limit` is the largest int8 weight: 127, or 63 on processors without VNNI.
    """
    builder = _Builder(weights, limit)
    builder.graph.port(11, "x", ["batch", "tokens", weights.hidden])
    builder.graph.constant("thirds", np.array([weights.hidden] * 3, np.int64))
    x = builder.norm("x", "emb.ln", "embedded")
    for number in range(weights.layers):
        x = builder.layer(x, number)
    builder.graph.port(12, x, ["batch", "tokens", weights.hidden])
    return builder.graph.model()
