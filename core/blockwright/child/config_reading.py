"""The config of a child's folder, which may come from anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from blockwright.errors import UserError
from blockwright.models.configs import CONFIG, model_type_of, read_config_json, understood

if TYPE_CHECKING:
    from blockwright.child.configuration_blockwright import BlockwrightConfig


def child_config_of(child: Path) -> BlockwrightConfig:
    """UserError where there is none, another model's, or one whose layers no class can be made of."""
    if not (child / CONFIG).is_file():
        raise UserError(f"{child}: no config.json in it; name a run, or the folder of a child")
    if not is_child(child):
        raise UserError(f"{child}: holds a model of type '{model_type_of(child)}', not a child of Blockwright")
    return read_child_config(child)


def is_child(folder: Path) -> bool:
    """Whether the checkpoint's config is that of a child; UserError for a config that is none of any model."""
    from blockwright.child.configuration_blockwright import BlockwrightConfig

    return model_type_of(folder) == BlockwrightConfig.model_type


def read_child_config(folder: Path) -> BlockwrightConfig:
    """A child's config, each of whose layers can be read off it."""
    from blockwright.child.configuration_blockwright import BlockwrightConfig

    read_config_json(folder)
    with understood(folder / CONFIG):
        config: BlockwrightConfig = BlockwrightConfig.from_pretrained(folder)
        for index in range(config.num_hidden_layers):
            config.layer(index)
    return config
