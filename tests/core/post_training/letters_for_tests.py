"""A reward that untrained models get some of: a recipe names it `letters_for_tests:evenness`."""

from blockwright.post_training.rewards import Sample


def evenness(sample: Sample) -> float:
    """The share of letters that have an even code."""
    return sum(ord(letter) % 2 == 0 for letter in sample.reply) / max(1, len(sample.reply))
