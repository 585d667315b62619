"""Runs in vLLM's own environment: greedy tokens of children, without Blockwright's help but its entry point.

python vllm_tokens.py JOBS.json

in which stands [{"model": FOLDER, "prompts": [[token, …], …], "tokens": 32, "ends": [0], "out": FILE}, …]
"""

import gc
import json
import sys
from pathlib import Path

from vllm import LLM, SamplingParams


def answer(job):
    """Writes the tokens of each prompt, in float32 and without trust_remote_code."""
    banned = dict.fromkeys(job["ends"], -100.0)
    sampling = SamplingParams(temperature=0.0, max_tokens=job["tokens"], logit_bias=banned, detokenize=False)
    engine = LLM(
        job["model"], dtype="float32", enforce_eager=True, max_model_len=128, max_num_seqs=8, skip_tokenizer_init=True
    )
    answers = engine.generate([{"prompt_token_ids": prompt} for prompt in job["prompts"]], sampling, use_tqdm=False)
    Path(job["out"]).write_text(json.dumps([list(each.outputs[0].token_ids) for each in answers]))
    del engine
    gc.collect()


if __name__ == "__main__":
    for job in json.loads(Path(sys.argv[1]).read_text()):
        answer(job)
