"""Children on their way to serving engines: what each target allows, the writing, and the model card."""
