"""Any model, parent or child, a tensor or a layer at a time: its weights on disk, its layers as a stack, how its
output reacts to each, and how far two models are apart."""
