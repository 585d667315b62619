"""What vLLM calls in each of its processes where Blockwright is installed beside it."""


def register() -> None:
    """Lets transformers' AutoConfig read `nemotron-nas`, so that `vllm serve CHILD` needs no trust_remote_code.

    vLLM has the model itself (DeciLMForCausalLM); only the config's class is nowhere but in checkpoints.
    """
    from transformers import AutoConfig

    from blockwright_plugins.exporters.configuration_decilm import DeciLMConfig

    AutoConfig.register(DeciLMConfig.model_type, DeciLMConfig, exist_ok=True)
