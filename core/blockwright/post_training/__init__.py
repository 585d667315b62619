"""Post-training of children on TRL's trainers: what all such stages share, and what their answers are measured by."""
