"""`import blockwright` is cheap, and the Auto classes know its children whatever is imported first."""

from __future__ import annotations

import subprocess
import sys

import pytest

KNOWN = """
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING
config = AutoConfig.for_model("blockwright", num_hidden_layers=0, hidden_size=8, vocab_size=8, num_attention_heads=1)
assert type(AutoModelForCausalLM.from_config(config)).__module__ == "blockwright.child.modeling_blockwright"
"""
ORDERS = {
    "blockwright first": "import blockwright",
    "auto classes first": "from transformers import AutoModelForCausalLM; import blockwright",
    "a model first": "import blockwright; import transformers.models.llama.modeling_llama",
    "generation first": "import blockwright; import transformers.generation.utils",
}


def run(code: str) -> None:
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("order", ORDERS)
def test_auto_classes_know_children_whatever_comes_first(order: str) -> None:
    run(ORDERS[order] + "\n" + KNOWN)


def test_importing_blockwright_imports_nothing_heavy() -> None:
    run("import sys, blockwright\nassert not {'torch', 'transformers', 'numpy', 'pydantic'} & set(sys.modules)")


def test_the_auto_config_alone_needs_no_model_code() -> None:
    run(
        "import sys, blockwright\nfrom transformers import AutoConfig\nAutoConfig.for_model('blockwright')\n"
        "assert 'blockwright.child.modeling_blockwright' not in sys.modules"
    )
