"""What models can do, side by side: questions with answers, choices and perplexity, in both thinking modes."""
