"""The child: its Hugging Face classes, which travel inside its checkpoints, how it is assembled from parent and
library, and how it is written to disk and opened again."""
