"""Image and text towers: small named ones of our own, and everything open_clip can load, behind one `Encoder`.

`towers` builds the small ones, `words` is their tokenizer, `preprocess` makes pixels ready, `weights` reads and names
checkpoints, `model` loads any of them by reference.
"""
