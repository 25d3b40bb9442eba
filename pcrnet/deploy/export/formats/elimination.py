"""Linear systems in ONNX, which has no operator that solves them.

Imported where a graph is written alone: it takes onnxscript.

Shapes: B systems of p equations.
"""

# The script is compiled from its annotations, which must be types, not their text.
from onnxscript import DOUBLE, script
from onnxscript import opset18 as op


@script(default_opset=op)
def solve_in_onnx(system: DOUBLE, right: DOUBLE) -> DOUBLE:
    """The counterpart of ``torch.linalg.solve`` for symmetric positive definite systems.

    Gauss–Jordan elimination in a loop, without pivoting, which is stable for such systems (Higham,
    Accuracy and stability of numerical algorithms, 2002, section 14.4). From (B, p, p) and
    (B, p, 1) to (B, p, 1).
    """
    left = op.Concat(system, right, axis=2)
    size = op.Squeeze(op.Shape(system, start=1, end=2))
    rows = op.Range(0, size, 1)
    for step in range(size):
        place = op.Unsqueeze(step, [0])
        row = op.Gather(left, place, axis=1)  # (B, 1, p + 1)
        column = op.Gather(left, place, axis=2)  # (B, p, 1)
        pivot = op.Gather(column, place, axis=1)  # (B, 1, 1)
        unit = op.Cast(op.Unsqueeze(op.Equal(rows, step), [1]), to=11)  # (p, 1), double
        # The pivot's own row becomes itself over the pivot; every other loses its share.
        left = op.Sub(left, op.Mul(op.Sub(column, unit), op.Div(row, pivot)))
    return op.Gather(left, op.Unsqueeze(size, [0]), axis=2)
