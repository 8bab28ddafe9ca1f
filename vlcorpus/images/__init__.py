"""Pictures: bytes of strangers in, checked RGB pixels, stored bytes, perceptual hashes and thumbnails out.

`prepare` is the one call the download stage makes; the other files are its parts, each usable alone. Call
`cv2.setNumThreads(1)` once per worker: results do not depend on it, but workers would fight over cores.
"""
