"""The steps of a run, one module each: they read the folders of the steps before and write their own."""
