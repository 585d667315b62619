"""Measuring a machine: its kernels, the parts of models on it, and how well their sum predicts whole models."""
