"""The block graph: a model's sub-blocks on the residual stream, the rules that make a graph whole, how it is
built, and its form in JSON."""
