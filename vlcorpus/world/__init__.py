"""The picture world: drawn shapes with captions, as a small website with the web's noise whose truth is known."""
