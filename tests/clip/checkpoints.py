"""Tiny checkpoints of transformers and sentence-transformers, with weights from a random start."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors

WORDS = ["<pad>", "<bos>", "<eos>", "<unk>", "a", "dog", "cat", "red", "two", "boat", "ein", "Hund"]
SIZE = 32
CLIP_PIXELS: dict[str, Any] = {
    "image_processor_type": "CLIPImageProcessor",
    "do_resize": True,
    "size": {"shortest_edge": SIZE},
    "resample": 3,
    "do_center_crop": True,
    "crop_size": {"height": SIZE, "width": SIZE},
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
    "do_convert_rgb": True,
}
SQUASHED = {
    "do_resize": True,
    "size": {"height": SIZE, "width": SIZE},
    "resample": 3,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
}
_VISION = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": SIZE,
    "patch_size": 8,
}  # fmt: skip
_TEXT = {
    "vocab_size": len(WORDS), "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
    "num_attention_heads": 2, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip


def write_tokenizer(folder: Path, *, longest: int = 16, padding: str = "right", words: Sequence[str] = WORDS) -> None:
    """Words of WORDS, between <bos> and <eos>."""
    made = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.post_processor = processors.TemplateProcessing(
        single="<bos> $A <eos>", special_tokens=[("<bos>", 1), ("<eos>", 2)]
    )
    names = {"pad_token": "<pad>", "bos_token": "<bos>", "eos_token": "<eos>", "unk_token": "<unk>"}
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, model_max_length=longest, padding_side=padding, **names
    ).save_pretrained(folder)


def write_model(folder: Path, kind: str, *, seed: int = 0, parts: bool = False) -> Any:
    """A model of type `kind` in `folder`, with its tokenizer and image processor; gives what transformers made."""
    text: dict[str, Any] = dict(_TEXT)
    if kind == "altclip":
        text |= {"max_position_embeddings": 20, "project_dim": 24, "type_vocab_size": 1}
    elif kind == "chinese_clip":
        text |= {"max_position_embeddings": 16, "type_vocab_size": 2}
    else:
        text |= {"max_position_embeddings": 16}
    names = {"clip": "CLIP", "siglip": "Siglip", "altclip": "AltCLIP", "chinese_clip": "ChineseCLIP"}
    config = getattr(transformers, names[kind] + "Config")
    more = {} if kind == "siglip" else {"projection_dim": 24}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = getattr(transformers, names[kind] + "Model")(config(text_config=text, vision_config=_VISION, **more))
        # From their own start the towers hardly tell one input from another.
        for weight in made.parameters():
            if weight.ndim > 1:
                weight.data.normal_(0, 0.2)
    made.eval().save_pretrained(folder, **({"max_shard_size": "20KB"} if parts else {}))
    write_tokenizer(folder)
    pixels = SQUASHED if kind == "siglip" else CLIP_PIXELS
    (folder / "preprocessor_config.json").write_text(json.dumps(pixels))
    return made


def write_sentence(folder: Path, *, dimension: int = 24, pooling: str = "mean", bias: bool = False) -> Any:
    """A text tower as sentence-transformers saves one: DistilBERT, pooling and a matrix. Gives (model, weight)."""
    config = transformers.DistilBertConfig(
        vocab_size=len(WORDS), dim=32, hidden_dim=48, n_layers=2, n_heads=2, max_position_embeddings=16
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        made = transformers.DistilBertModel(config)
        for weight in made.parameters():
            if weight.ndim > 1:
                weight.data.normal_(0, 0.2)
        dense = torch.nn.Linear(32, dimension, bias=bias)
    made.eval().save_pretrained(folder)
    write_tokenizer(folder)
    kinds = [("0", "", "Transformer"), ("1", "1_Pooling", "Pooling"), ("2", "2_Dense", "Dense")]
    listed = [
        {"idx": int(name), "name": name, "path": path, "type": f"sentence_transformers.models.{kind}"}
        for name, path, kind in kinds
    ]
    (folder / "modules.json").write_text(json.dumps(listed))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 8, "do_lower_case": False}))
    modes = {f"pooling_mode_{mode}": False for mode in ("cls_token", "mean_tokens", "max_tokens")}
    modes |= {f"pooling_mode_{'mean_tokens' if pooling == 'mean' else 'cls_token'}": True}
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"word_embedding_dimension": 32, **modes}))
    (folder / "2_Dense").mkdir()
    settings = {
        "in_features": 32,
        "out_features": dimension,
        "bias": bias,
        "activation_function": "torch.nn.modules.linear.Identity",
    }
    (folder / "2_Dense" / "config.json").write_text(json.dumps(settings))
    weights = {f"linear.{name}": value for name, value in dense.state_dict().items()}
    safetensors.torch.save_file(weights, folder / "2_Dense" / "model.safetensors")
    return made, dense
