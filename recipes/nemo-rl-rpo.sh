#!/usr/bin/env bash
# Offline preference optimisation (RPO) of a child with NeMo-RL, as the stage `command` starts it:
#
#   nemo-rl-rpo.sh CHILD OUTPUT RESUME SEED
#
# NEMO_RL is the folder of a clone of https://github.com/NVIDIA-NeMo/RL, whose `uv` environment is its own. PAIRS is a
# JSONL of preferences in NeMo-RL's form. What is read and written is told by the arguments alone.
set -euo pipefail
child=$1 output=$2 resume=$3 seed=$4
here=$PWD
: "${NEMO_RL:=/opt/NeMo-RL}" "${PAIRS:?the JSONL of preferences}" "${GPUS:=8}" "${NODES:=1}"
: "${STEPS:=400}" "${LEARNING_RATE:=7e-7}" "${BETA:=3e-2}" "${BATCH:=512}"
cd "$NEMO_RL"

# NeMo-RL goes on from the newest checkpoint in checkpoint_dir by itself.
uv run examples/run_dpo.py --config examples/configs/dpo.yaml \
  policy.model_name="$child" policy.tokenizer.name="$child" \
  policy.train_global_batch_size="$BATCH" policy.optimizer.kwargs.lr="$LEARNING_RATE" \
  dpo.preference_loss=rpo_bwd_kl dpo.gt_reward_scale=1.0 dpo.reference_policy_kl_penalty="$BETA" \
  dpo.max_num_steps="$STEPS" dpo.seed="$seed" \
  data.train.dataset_name=PreferenceDataset data.train.data_path="$PAIRS" \
  data.validation.dataset_name=PreferenceDataset data.validation.data_path="$PAIRS" \
  checkpointing.checkpoint_dir="$resume" logger.log_dir="$here/logs" \
  cluster.gpus_per_node="$GPUS" cluster.num_nodes="$NODES"

newest=$(find "$resume" -maxdepth 1 -name 'step_*' | sort -V | tail -n 1)
uv run examples/converters/convert_dcp_to_hf.py --config "$newest/config.yaml" \
  --dcp-ckpt-path "$newest/policy/weights" --hf-ckpt-path "$output" --safe-serialization True
