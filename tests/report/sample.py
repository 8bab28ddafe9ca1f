"""A report with every kind of section and made-up numbers, to test and to look at."""

from __future__ import annotations

import io
import itertools
import math
import random

from PIL import Image, ImageDraw

from vlcorpus.report import model as m


def jpeg(seed: int) -> bytes:
    """A small drawn picture, another for each seed."""
    rng = random.Random(seed)
    width, height = rng.choice([(96, 96), (120, 80), (80, 120)])
    image = Image.new("RGB", (width, height), tuple(rng.randrange(150, 250) for _ in range(3)))
    draw = ImageDraw.Draw(image)
    for _ in range(3):
        x, y, size = rng.randrange(width - 30), rng.randrange(height - 30), rng.randrange(15, 45)
        shape = rng.choice([draw.ellipse, draw.rectangle])
        shape((x, y, x + size, y + size), fill=tuple(rng.randrange(20, 200) for _ in range(3)))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=80)
    return out.getvalue()


CAPTIONS = (
    "a red circle above a blue square on a grey ground",
    "IMG_20190412_183022.jpg",
    "Two yellow triangles",
    "Buy now! Free delivery on all orders over 50 – best prices, best quality, best service in town, call us today",
    "ein grüner Stern neben einem Kreis",
    "شكل أحمر كبير فوق مربع أزرق",
    "赤い円と青い四角",
    "click here to enlarge",
)


def report(text: str = "") -> m.Report:
    """The sample; `text` is put into every string that a report has."""
    rng = random.Random(7)
    edges = tuple(round(-0.2 + 0.01 * step, 2) for step in range(71))

    def bell(centre: float, width: float, height: int) -> tuple[int, ...]:
        middle = [(low + high) / 2 for low, high in itertools.pairwise(edges)]
        return tuple(round(height * math.exp(-(((x - centre) / width) ** 2))) for x in middle)

    def picture(seed: int, similarity: float) -> m.Picture:
        return m.Picture(jpeg(seed), text or CAPTIONS[seed % len(CAPTIONS)], similarity, text)

    def run(seed: int, best: float) -> m.Run:
        samples = tuple(float(step) for step in range(0, 10241, 1024))
        values = tuple(best * (1 - math.exp(-x / 3500)) + rng.gauss(0, 0.006) + 0.0125 for x in samples)
        return m.Run(seed, samples, values)

    steps = (
        m.FunnelStep("crawl" + text, "read pages" + text, "no_words" + text, 412, 412),
        m.FunnelStep("crawl" + text, "read pages", "address_refused", 38, 38),
        m.FunnelStep("download", "fetch", "http_404", 507, 505),
        m.FunnelStep("download", "fetch", "timeout", 61),
        m.FunnelStep("download", "decode", "image_corrupt", 120, 120),
        m.FunnelStep("filter", "similarity", "similarity_low", 2741, 2750),
        m.FunnelStep("dedup", "near-duplicates", "near_duplicate", 901, 900),
        m.FunnelStep("export", "written", "kept", 5220, 5231, kept=True),
    )
    arms = (("raw", 0.18), ("filtered", 0.42), ("random, same size", 0.16), ("oracle", 0.47))
    return m.Report(
        title="The drawn web, filtered by similarity" + text,
        subtitle="10,000 pages · ViT-B-32, openai · seed 7" + text,
        notices=("filtered keeps 5,220 pairs: training on 128,000 would repeat each 24.5 times" + text,),
        verdict=m.Verdict(
            "filtered beats raw by 21.9 pp in zero-shot accuracy [17.7, 26.1], in 3 of 3 seeds" + text, "good"
        ),
        summary=(
            m.Fact("candidates" + text, "10,000" + text, "from 812 pages" + text),
            m.Fact("kept", "5,220", "52.2 %"),
            m.Fact("planted noise found", "98.7 %", "2,741 of 2,777 pairs"),
            m.Fact("clean pairs lost", "1.1 %", "58 of 5,290 pairs"),
            m.Fact("cost", "44 s", "2 cores, no network"),
        ),
        sections=(
            m.Funnel(
                "What became of each pair" + text,
                steps,
                "The last column holds each count against what was planted." + text,
            ),
            m.Crosstab(
                "Caption noise and what was decided" + text,
                "Kind of caption" + text,
                ("kept" + text, "similarity_low", "near_duplicate"),
                (
                    ("true" + text, (5162, 58, 870)),
                    ("of another image", (21, 1379, 12)),
                    ("file name", (9, 701, 11)),
                    ("advertising", (28, 603, 8)),
                ),
                ("kept" + text, "similarity_low", "similarity_low", "similarity_low"),
            ),
            m.Histogram(
                "Similarity of image and caption" + text,
                edges,
                (m.Series("true captions" + text, bell(0.31, 0.05, 480)), m.Series("noise", bell(0.15, 0.06, 190))),
                (m.Mark(0.23), m.Mark(0.4, "below")),
                "similarity" + text,
                "Each series is what was planted; the filter saw only the sum." + text,
            ),
            m.Pictures(
                "Both sides of the threshold" + text,
                tuple(picture(seed, 0.23 + 0.002 * seed) for seed in range(8)),
                (
                    *(picture(seed, 0.23 - 0.002 * (seed - 7)) for seed in range(8, 15)),
                    m.Picture(b"<svg onload=alert(1)>", "not a JPEG"),
                ),
                "Just kept" + text,
                "Just dropped" + text,
                value="similarity" + text,
            ),
            m.Pictures(
                "Both sides, of candidates" + text,
                (m.Picture(None, text or CAPTIONS[3], 0.301, text), m.Picture(None, CAPTIONS[5], 0.3)),
                (m.Picture(None, text or CAPTIONS[1], 12.0),),
                value="similarity" + text,
                pictured=False,
            ),
            m.Rates(
                "Kept by language" + text,
                "language" + text,
                (
                    m.Rate("en" + text, 8000, 4400, 0.539, 0.561),
                    m.Rate("de", 1200, 300, 0.226, 0.275),
                    m.Rate("xh", 1, 0, 0.0, 0.793),
                    m.Rate("no language", 799, 520, 0.617, 0.683, faint=True),
                ),
                0.522,
                text,
            ),
            m.Matrix(
                "How the scores agree" + text,
                ("similarity" + text, "aesthetic", "text_words", "empty"),
                (
                    (1.0, 0.31, -0.72, None),
                    (0.31, 1.0, -0.004, None),
                    (-0.72, -0.004, 1.0, None),
                    (None, None, None, None),
                ),
                (0.97, 0.55, 0.11, None),
                "agrees" + text,
            ),
            m.Matrix("What two decisions have in common" + text, ("one" + text, "two"), ((1.0, 0.25), (0.25, 1.0))),
            m.Curves(
                "Learning curves" + text,
                tuple(m.Arm(name + text, tuple(run(seed, best) for seed in range(3))) for name, best in arms),
                "samples seen" + text,
                "zero-shot accuracy" + text,
            ),
            m.Forest(
                "Filtered against raw" + text,
                (
                    m.Difference("zero-shot top-1" + text, 21.9, 17.7, 26.1, note=text),
                    m.Difference("zero-shot top-5", 18.2, 14.0, 22.9),
                    m.Difference("retrieval R@10, image to text", 41.3, 35.2, 46.6),
                    m.Difference("median rank", -6.4, -8.1, -4.4, higher_is_better=False),
                    m.Difference("matched against mismatched AUC", 3.1, -0.4, 6.5),
                    m.Difference("rare colours, mean recall", -4.2, -7.0, -1.1),
                ),
                "pp" + text,
            ),
            m.Table(
                "By attribute" + text,
                (
                    m.Column("attribute" + text),
                    m.Column("eval pairs"),
                    m.Column("raw"),
                    m.Column("filtered"),
                    m.Column("change", signed=True),
                    m.Column("share" + text, right=True),
                    m.Column("remark", wide=True),
                ),
                (
                    ("shape: circle" + text, 1200, 0.312, 0.571, 0.259, "11 %" + text, text),
                    ("shape: star", 1180, 0.204, 0.466, 0.262, "11 %", None),
                    ("colour: teal", 310, 0.182, 0.140, -0.042, "3 %", None),
                    ("count: three", 640, 0.119, None, None, None, "few"),
                ),
            ),
            m.Commands(
                "Do it again" + text,
                (
                    m.Command("crawl, download, score" + text, "vlcorpus run demo.yaml demo/ \\\n    --seed 7" + text),
                    m.Command("decide", "vlcorpus filter demo/ --similarity-at-least 0.23 --name clean"),
                    m.Command("compare", "vlcorpus compare demo/ raw clean --seeds 3 --recipe nano"),
                ),
            ),
            m.Provenance(
                "Provenance" + text,
                (
                    ("vlcorpus" + text, "0.1.0" + text),
                    ("model", "ViT-B-32.openai.1a2b3c4d"),
                    ("recipe", "nano-1 sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"),
                ),
            ),
        ),
    )
