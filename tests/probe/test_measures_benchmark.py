"""Figures under CLIP_benchmark's and DataComp's names, against their definitions written out the slow way."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vlcorpus.probe import measures


def unit(generator: np.random.Generator, *shape: int) -> np.ndarray:
    rows = generator.normal(size=shape).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


@pytest.fixture(params=range(6))
def generator(request: pytest.FixtureRequest) -> np.random.Generator:
    return np.random.default_rng(request.param)


def test_classification(generator: np.random.Generator) -> None:
    classes = int(generator.integers(5, 20))
    class_CD, labels = unit(generator, classes, 8), generator.integers(0, classes, 150)
    image_ND = unit(generator, 150, 8)
    logits = 100.0 * torch.from_numpy(image_ND) @ torch.from_numpy(class_CD).T
    best = logits.topk(5, 1).indices.numpy()
    found = measures.zero_shot(image_ND, class_CD, labels)
    assert found.theirs["acc1"] == pytest.approx(np.mean(best[:, 0] == labels), abs=1e-9)
    assert found.theirs["acc5"] == pytest.approx(
        np.mean([label in row for label, row in zip(labels, best, strict=True)]), abs=1e-9
    )
    recall, scores = [], []
    for label in sorted(set(labels.tolist())):
        right = sum(1 for guess, truth in zip(best[:, 0], labels, strict=True) if guess == truth == label)
        said, there = int((best[:, 0] == label).sum()), int((labels == label).sum())
        recall.append(right / there)
        scores.append(0.0 if not right else 2 / (said / right + there / right))
    assert found.metrics["mean_per_class_recall"] == pytest.approx(np.mean(recall), abs=1e-9)
    assert found.theirs["F1-macro_all"] == pytest.approx(np.mean(scores), abs=1e-9)


def test_equal_classes_are_the_first_one_for_them_and_none_for_us() -> None:
    image_ND, class_CD = np.eye(2, dtype=np.float32), np.eye(2, dtype=np.float32)[[0, 0, 1]]
    found = measures.zero_shot(image_ND, class_CD, np.array([0, 2]))
    assert (found.theirs["acc1"], found.metrics["top1"]) == (1.0, 0.5)
    assert measures.zero_shot(image_ND, class_CD, np.array([1, 2])).theirs["acc1"] == 0.5


def test_groups(generator: np.random.Generator) -> None:
    class_CD, labels = unit(generator, 9, 8), generator.integers(0, 9, 120)
    image_ND, groups = unit(generator, 120, 8) + class_CD[labels], [str(each) for each in generator.integers(0, 4, 120)]
    found = measures.zero_shot(image_ND, class_CD, labels, groups=groups, grouped_by="region")
    ranked = np.argsort(-(image_ND @ class_CD.T), axis=1)
    for names, k in (
        (("acc_wg", "acc_worst_region", "worst_region_top1"), 1),
        (("acc_top5_wg", "worst_region_top5"), 5),
    ):
        right = [label in row[:k] for label, row in zip(labels, ranked, strict=True)]
        worst = min(
            np.mean([hit for hit, at in zip(right, groups, strict=True) if at == group]) for group in set(groups)
        )
        for name in names:
            assert (found.theirs | found.metrics)[name] == pytest.approx(worst, abs=1e-9)


def test_several_labels(generator: np.random.Generator) -> None:
    class_CD, image_ND = unit(generator, 7, 8), unit(generator, 90, 8)
    wanted = generator.random((90, 7)) < 0.2
    wanted[:, 3] = False
    precisions = []
    for similarity, flags in zip((image_ND @ class_CD.T).T, wanted.T, strict=True):
        order = np.argsort(-similarity)
        seen = [flags[order[: place + 1]].mean() for place in range(90) if flags[order[place]]]
        precisions.append(sum(seen) / max(len(seen), 1))
    found = measures.multilabel(image_ND, class_CD, wanted)
    assert found.theirs["mean_average_precision"] == pytest.approx(np.mean(precisions), abs=1e-9)
    assert found.metrics["map"] == pytest.approx(np.mean([each for place, each in enumerate(precisions) if place != 3]))


def test_several_labels_of_a_model_that_says_the_same_of_everything() -> None:
    same, wanted = np.ones((8, 2), np.float32), np.arange(8)[:, None] >= np.array([4, 6])
    worst = [np.mean([1 / 5, 2 / 6, 3 / 7, 4 / 8]), np.mean([1 / 7, 2 / 8])]
    assert measures.multilabel(same, same[:2], wanted).metrics["map"] == pytest.approx(np.mean(worst))
    assert measures.multilabel(same, same[:2], ~wanted).metrics["map"] < 1
    with pytest.raises(ValueError):
        measures.multilabel(same, same[:2], wanted & False)


def test_retrieval(generator: np.random.Generator) -> None:
    count = 60
    owner = np.repeat(np.arange(count), generator.integers(1, 6, count))
    image_ND = unit(generator, count, 8)
    text_MD = unit(generator, len(owner), 8) + image_ND[owner]
    scores = torch.from_numpy(text_MD) @ torch.from_numpy(image_ND).T
    found = measures.retrieval(image_ND, text_MD, owner).theirs
    for k in (1, 5, 10):
        by_text = [owner[place] in row for place, row in enumerate(scores.topk(k, 1).indices.numpy())]
        by_image = [any(owner[text] == place for text in row) for place, row in enumerate(scores.T.topk(k, 1).indices)]
        assert found[f"image_retrieval_recall@{k}"] == pytest.approx(np.mean(by_text), abs=1e-9)
        assert found[f"text_retrieval_recall@{k}"] == pytest.approx(np.mean(by_image), abs=1e-9)
    both = found["image_retrieval_recall@1"] + found["text_retrieval_recall@1"]
    assert found["mean_recall@1"] == pytest.approx(both / 2)
    with pytest.raises(ValueError):
        measures.retrieval(image_ND, text_MD, np.zeros(len(owner), int))


def test_ties_in_retrieval() -> None:
    """An image that stands twice: by their rule the earlier is nearer, by ours half of those as near are."""
    image_ND = np.eye(3, dtype=np.float32)[[0, 0, 1]]
    found = measures.retrieval(image_ND, image_ND, np.arange(3))
    assert found.metrics["text_to_image_r1"] == 1
    assert found.theirs["image_retrieval_recall@1"] == pytest.approx(2 / 3)


def test_winoground(generator: np.random.Generator) -> None:
    image, text = unit(generator, 80, 2, 6), unit(generator, 80, 2, 6)
    text += image
    score = {"text": [], "image": [], "group": []}
    for pictures, captions in zip(image.astype(float), text.astype(float), strict=True):
        near = [[float(picture @ caption) for caption in captions] for picture in pictures]
        by_text = near[0][0] > near[0][1] and near[1][1] > near[1][0]
        by_image = near[0][0] > near[1][0] and near[1][1] > near[0][1]
        for name, hit in (("text", by_text), ("image", by_image), ("group", by_text and by_image)):
            score[name].append(hit)
    found = measures.winoground(image, text)
    for name, hits in score.items():
        assert found.metrics[f"{name}_score"] == pytest.approx(np.mean(hits))
        assert found.values[f"{name}_score"].tolist() == hits
        assert found.theirs["acc" if name == "group" else f"{name}_acc"] == pytest.approx(np.mean(hits))
    nothing = measures.winoground(np.ones((4, 2, 3), np.float32), np.ones((4, 2, 3), np.float32))
    assert set(nothing.metrics.values()) == {0.0}
    image[0] = np.nan
    assert measures.winoground(image, text).values["group_score"][0] == 0
    guess = measures.winoground(unit(generator, 4000, 2, 6), unit(generator, 4000, 2, 6))
    for name, chance in (("text_score", 1 / 4), ("image_score", 1 / 4), ("group_score", 1 / 6)):
        assert guess.metrics[name] == pytest.approx(chance, abs=0.03) and guess.chance[name] == chance


def test_a_pair_of_captions() -> None:
    image = np.eye(2, dtype=np.float32)[[0, 0, 1]]
    found = measures.pair_choice(image, image, np.eye(2, dtype=np.float32)[[1, 0, 0]])
    assert found.metrics["accuracy"] == pytest.approx(2 / 3)  # the second is a tie: a miss for us, a hit for them
    assert found.theirs == {"text_acc": 1.0, "acc": 1.0, "image_acc": 1.0}


def test_associations(generator: np.random.Generator) -> None:
    cases, ours, groups = [], [], {5: [], 6: [], 10: [], 12: []}
    for number in range(60):
        size = int(generator.choice([5, 6, 10, 12]))
        cue, pictures, belong = unit(generator, 6), unit(generator, size, 6), int(generator.integers(1, 4))
        wanted = np.isin(np.arange(size), generator.choice(size, belong, replace=False))
        chosen = set(np.argsort(pictures @ cue)[-belong:].tolist())
        truth = set(np.flatnonzero(wanted).tolist())
        ours.append(len(chosen & truth) / len(chosen | truth))
        groups[size].append(ours[-1])
        cases += [(picture, cue, number, flag) for picture, flag in zip(pictures, wanted, strict=True)]
    picture_ND, cue_ND, case_N, wanted_N = (np.array(column) for column in zip(*cases, strict=True))
    found = measures.association(picture_ND, cue_ND, case_N, wanted_N)
    assert found.values["jaccard"].tolist() == pytest.approx(ours)
    assert found.theirs["avg_jaccard_score"] == pytest.approx(np.mean(ours))
    assert found.theirs["jaccard_score_10-12"] == pytest.approx(np.mean(groups[10] + groups[12]))
    assert found.theirs["jaccard_score_5-6"] == pytest.approx(np.mean(groups[5] + groups[6]))
    assert found.theirs["jaccard_score_6"] == pytest.approx(np.mean(groups[6]))
    with pytest.raises(ValueError, match="case 3"):
        measures.association(picture_ND, cue_ND, case_N, wanted_N & (case_N != 3))


def test_chance_of_associations() -> None:
    generator = np.random.default_rng(1)
    case_N, wanted_N = np.repeat(np.arange(3000), 10), np.tile(np.arange(10) < 3, 3000)
    found = measures.association(unit(generator, 30_000, 4), unit(generator, 30_000, 4), case_N, wanted_N)
    assert found.metrics["jaccard"] == pytest.approx(found.chance["jaccard"], abs=0.02)
