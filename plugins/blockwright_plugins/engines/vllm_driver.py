"""Runs in vLLM's own environment: opens a model and times a load, once for every line that it is given.

python vllm_driver.py FOLDER SETTINGS    SETTINGS as `driver_settings` in vllm_process.py makes them, as JSON
"""

import json
import sys
import time
from typing import Any

from vllm import LLM, SamplingParams  # type: ignore[import-not-found]

ANSWER = "blockwright-pace "


def seconds_of(engine: LLM, prompt: list[int], batch: int, tokens: int) -> float:
    """Of so many equal prompts at once, each answered by exactly `tokens`."""
    sampling = SamplingParams(temperature=0.0, max_tokens=tokens, ignore_eos=True, detokenize=False)
    prompts = [{"prompt_token_ids": prompt} for _ in range(batch)]
    start = time.perf_counter()
    engine.generate(prompts, sampling, use_tqdm=False)
    return time.perf_counter() - start


def round_of(engine: LLM, settings: dict[str, Any]) -> dict[str, object]:
    """The prompt alone, and each batch with its first tokens only and with all."""
    prompt = [3 + (number * 7919) % 251 for number in range(settings["prefill"])]
    batches = {
        batch: {
            "first": seconds_of(engine, prompt, batch, 1),
            "all": seconds_of(engine, prompt, batch, 1 + settings["decode"]),
        }
        for batch in settings["batches"]
    }
    return {"prompt": seconds_of(engine, prompt, 1, 1), "batches": batches}


def main(folder: str, settings: dict[str, Any]) -> None:
    engine = LLM(folder, **settings["engine"])
    for _ in sys.stdin:
        sys.stdout.write(ANSWER + json.dumps(round_of(engine, settings)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
