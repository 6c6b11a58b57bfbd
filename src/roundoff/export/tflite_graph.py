"""A .tflite file's graph, to be read and to be given operators in front and behind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

OPTIONS = {"CAST": "CastOptions", "GATHER": "GatherOptions", "MUL": "MulOptions", "ADD": "AddOptions"}
VERSIONS = {"QUANTIZE": 2, "DEQUANTIZE": 2}  # that take int8
TYPES = {"float32": "FLOAT32", "int32": "INT32"}


class TfliteGraph:
    """The first subgraph of a model, by LiteRT's own description of the format; tensors are numbers."""

    def __init__(self, model: Any, schema: Any) -> None:
        self._model, self._schema, self._graph = model, schema, model.subgraphs[0]
        self.inputs = [int(tensor) for tensor in self._graph.inputs]
        self.outputs = [int(tensor) for tensor in self._graph.outputs]
        self._front: list[Any] = []

    @classmethod
    def read(cls, content: bytes) -> TfliteGraph:
        """Of a file's content; raises what the format's reader does."""
        from ai_edge_litert import schema_py_generated as schema

        if content[4:8] != b"TFL3":
            raise ValueError(f"it begins with {content[:8]!r}")
        return cls(schema.ModelT.InitFromPackedBuf(content, 0), schema)

    def packed(self) -> bytes:
        """The file's content; operators that no output depends on are left out."""
        import flatbuffers

        if (self.inputs, self.outputs) != ([*map(int, self._graph.inputs)], [*map(int, self._graph.outputs)]):
            self._model.signatureDefs = []  # they name inputs and outputs of before
        self._graph.operators = [*self._front, *self._graph.operators]
        self._graph.inputs, self._graph.outputs = self.inputs, self.outputs
        self._drop_unread()
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(self._model.Pack(builder), file_identifier=b"TFL3")
        return bytes(builder.Output())

    def _drop_unread(self) -> None:
        wanted, kept = set(self.outputs), []
        for operator in reversed(self._graph.operators):
            if wanted.intersection(map(int, operator.outputs)):
                kept.append(operator)
                wanted.update(map(int, operator.inputs))
        self._graph.operators = kept[::-1]

    @property
    def operators(self) -> list[Any]:
        """In the order in which they run."""
        return list(self._graph.operators)

    @property
    def tensors(self) -> range:
        """All tensors' numbers."""
        return range(len(self._graph.tensors))

    def name(self, tensor: int) -> str:
        """The tensor's name."""
        return bytes(self._graph.tensors[tensor].name or b"").decode(errors="replace")

    def shape(self, tensor: int) -> tuple[int, ...]:
        """Sizes, −1 for one that is open."""
        entry = self._graph.tensors[tensor]
        sizes = entry.shape if entry.shapeSignature is None else entry.shapeSignature
        return tuple(map(int, sizes if sizes is not None else ()))

    def kind(self, tensor: int) -> str:
        """The element type, by the format's name."""
        return self._name_of(self._schema.TensorType, self._graph.tensors[tensor].type)

    def grid(self, tensor: int) -> tuple[float, int] | None:
        """Scale and zero point of a tensor that has one of each; else None."""
        quantization = self._graph.tensors[tensor].quantization
        if quantization is None or quantization.scale is None or len(quantization.scale) != 1:
            return None
        return float(quantization.scale[0]), int(quantization.zeroPoint[0])

    def set_grid(self, tensor: int, grid: tuple[float, int] | None) -> None:
        """Give the tensor a scale and a zero point."""
        if grid is not None:
            made = self._schema.QuantizationParametersT()
            made.scale, made.zeroPoint = [grid[0]], [grid[1]]
            self._graph.tensors[tensor].quantization = made

    def constant(self, tensor: int) -> NDArray[np.float32] | None:
        """The values of a float32 constant; None for what is none."""
        data = self._model.buffers[self._graph.tensors[tensor].buffer].data if tensor >= 0 else None
        if data is None or not len(data) or self.kind(tensor) != "FLOAT32":
            return None
        return np.frombuffer(bytes(data), np.float32).reshape(self._graph.tensors[tensor].shape)

    def set_constant(self, operator: Any, slot: int, values: NDArray[np.float32]) -> None:
        """Let that operator alone read these values there; a constant that others read, too, stays as it is."""
        tensor = int(operator.inputs[slot])
        buffer = self._graph.tensors[tensor].buffer
        readers = sum([*map(int, each.inputs)].count(tensor) for each in self._graph.operators)
        if readers == 1 and sum(each.buffer == buffer for each in self._graph.tensors) == 1:
            self._model.buffers[buffer].data = np.frombuffer(values.tobytes(), np.uint8)
        else:
            name = f"{self.name(int(operator.outputs[0]))}/constant{slot}"
            inputs = [*map(int, operator.inputs)]
            inputs[slot] = self.add_tensor(name, "FLOAT32", (), values)
            operator.inputs = inputs

    def maker(self, tensor: int) -> Any:
        """The operator that gives the tensor; None for an input or a constant."""
        return next((each for each in self._graph.operators if tensor in map(int, each.outputs)), None)

    def operator(self, operator: Any) -> str:
        """What an operator is called in the format."""
        code = self._model.operatorCodes[operator.opcodeIndex]
        return self._name_of(self._schema.BuiltinOperator, max(code.builtinCode, code.deprecatedBuiltinCode))

    def products(self, operators: Sequence[str]) -> Iterator[tuple[str, str]]:
        """The types, by NumPy's names, of weights and activations of each of these `operators`."""
        for each in self._graph.operators:
            if (name := self.operator(each)) in operators:
                activations = each.inputs[2 if name == "TRANSPOSE_CONV" else 0]
                yield self.kind(int(each.inputs[1])).lower(), self.kind(int(activations)).lower()

    def add_tensor(self, name: str, kind: str, sizes: Sequence[int], data: NDArray[Any] | None = None) -> int:
        """A further tensor: [N, *sizes], or a constant of `data`."""
        tensor = self._schema.TensorT()
        tensor.name, tensor.type = name.encode(), getattr(self._schema.TensorType, kind)
        tensor.buffer = 0
        if data is None:
            tensor.shape, tensor.shapeSignature = [1, *sizes], [-1, *sizes]
        else:
            buffer = self._schema.BufferT()
            buffer.data = np.frombuffer(data.tobytes(), np.uint8)
            self._model.buffers.append(buffer)
            tensor.shape, tensor.buffer = list(data.shape), len(self._model.buffers) - 1
        self._graph.tensors.append(tensor)
        return len(self._graph.tensors) - 1

    def prepend(
        self,
        operator: str,
        tensor: int,
        kind: str = "FLOAT32",
        sizes: Sequence[int] = (),
        constant: NDArray[Any] | None = None,
        into: int | None = None,
    ) -> int:
        """An operator on `tensor`, behind those that were put in front before; the tensor that it gives."""
        output = self.add_tensor(f"preprocessing/{operator.lower()}", kind, sizes) if into is None else into
        self._front.append(self._made(operator, tensor, output, constant, axis=3))
        return output

    def append(self, operator: str, tensor: int, size: int, constant: NDArray[Any] | None = None) -> int:
        """An operator on `tensor` [N, K] behind all others, whose output [N, size] is the graph's from now on."""
        output = self.add_tensor(f"head/{operator.lower()}", "FLOAT32", [size])
        self._graph.operators.append(self._made(operator, tensor, output, constant, axis=1))
        self.outputs = [output]
        return output

    def replace(self, tensor: int, by: int) -> None:
        """Let what reads `tensor` read another."""
        self.set_grid(by, self.grid(tensor))
        for each in self._graph.operators:
            each.inputs = [by if int(one) == tensor else int(one) for one in each.inputs]

    def _made(self, operator: str, tensor: int, output: int, constant: NDArray[Any] | None, axis: int) -> Any:
        made = self._schema.OperatorT()
        made.opcodeIndex, made.inputs, made.outputs = self._code(operator), [tensor], [output]
        if constant is not None:
            name = f"{self.name(output)}/constant"
            made.inputs.append(self.add_tensor(name, TYPES[constant.dtype.name], (), constant))
        if option := OPTIONS.get(operator):
            made.builtinOptionsType = getattr(self._schema.BuiltinOptions, option)
            made.builtinOptions = getattr(self._schema, f"{option}T")()
        if operator == "GATHER":
            made.builtinOptions.axis = axis
        if operator == "CAST":
            made.builtinOptions.inDataType = self._graph.tensors[tensor].type
            made.builtinOptions.outDataType = self._graph.tensors[output].type
        return made

    def _code(self, operator: str) -> int:
        code = self._schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = getattr(self._schema.BuiltinOperator, operator)
        code.version = VERSIONS.get(operator, 1)
        self._model.operatorCodes.append(code)
        return len(self._model.operatorCodes) - 1

    @staticmethod
    def _name_of(names: Any, number: int) -> str:
        return next((name for name, value in vars(names).items() if value == number), str(number))
