"""Image and text towers: small named ones of our own, and what open_clip and transformers load, behind one `Encoder`.

`references` finds a model by its name (`huggingface` in transformers' layouts; `located` is what comes of it),
`weights` reads and names its checkpoint, `model` makes an `encoder` of it. `preprocess` makes pixels ready, `loader`
does so in threads, `stream` keeps the device busy meanwhile. `towers` builds the small ones, `words` is their
tokenizer, `saved` their files; `two` reads a reference to two models.

What is trained comes from `trainable`: those small towers; open_clip's models (`contrastive`; `fill` puts weights into
them, `blocks` computes them, `lora` changes them); `heads` on encoders that stay as they are (`frozen`, of which
`timm_tower` is one kind; `known` is where this machine has them).
"""
