"""The whole decision as one module, and the parts that it is made of."""
