"""From image files to tensors in true millimetres and true units."""
