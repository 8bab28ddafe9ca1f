"""Which part a machine is, and whose a unit is."""

from __future__ import annotations

import pytest

from vlcorpus.errors import UsageError
from vlcorpus.pipeline.ranks import Part, find, shared
from vlcorpus.stages.download import Download
from vlcorpus.stages.filter import Filter
from vlcorpus.stages.import_lists import ReadLists
from vlcorpus.stages.train_probe import TrainProbe

ARRAY = {
    "SLURM_ARRAY_TASK_ID": "5",
    "SLURM_ARRAY_TASK_MIN": "1",
    "SLURM_ARRAY_TASK_COUNT": "3",
    "SLURM_ARRAY_TASK_STEP": "2",
}
INDEX, JOB = "JOB_COMPLETION_INDEX", "AWS_BATCH_JOB_ARRAY_INDEX"


@pytest.mark.parametrize(
    ("environ", "own", "parts"),
    [
        (ARRAY, 3, 3),
        (ARRAY | {"SLURM_PROCID": "0", "SLURM_NTASKS": "4"}, 3, 3),
        ({key: value for key, value in ARRAY.items() if "STEP" not in key} | {"SLURM_ARRAY_TASK_ID": "2"}, 2, 3),
        ({"SLURM_PROCID": "3", "SLURM_NTASKS": "8"}, 4, 8),
        ({"SLURM_PROCID": "1", "SLURM_NTASKS": "8", "SLURM_STEP_NUM_TASKS": "2"}, 2, 2),
        ({INDEX: "0", "JOB_COMPLETIONS": "4"}, 1, 4),
        ({INDEX: "3", "VLCORPUS_PARTS": "4"}, 4, 4),
        ({JOB: "1", "AWS_BATCH_JOB_ARRAY_SIZE": "2"}, 2, 2),
        ({JOB: "1", "VLCORPUS_PARTS": "2", "AWS_BATCH_JOB_ARRAY_SIZE": ""}, 2, 2),
        ({"RANK": "1", "WORLD_SIZE": "2"}, 2, 2),
        ({"RANK": "1", "WORLD_SIZE": "2", INDEX: "1", "VLCORPUS_PARTS": "2"}, 2, 2),
        ({"RANK": "1", "WORLD_SIZE": "2", "SLURM_PROCID": "0", "SLURM_NTASKS": "1"}, 2, 2),
        ({"RANK": "0", "WORLD_SIZE": "1"}, 1, 1),
    ],
)
def test_what_a_scheduler_says(environ: dict[str, str], own: int, parts: int) -> None:
    found = find("auto", environ)
    assert (found.own, found.parts) == (own, parts) and found.told in environ


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({}, "no scheduler says"),
        ({"RANK": "1"}, "no scheduler says"),
        ({INDEX: "1"}, "not how many there are"),
        ({JOB: "1"}, "not how many there are"),
        ({INDEX: "4", "VLCORPUS_PARTS": "4"}, "is 4, and VLCORPUS_PARTS 4"),
        ({INDEX: "1", "VLCORPUS_PARTS": "4", "JOB_COMPLETIONS": "5"}, "in two ways"),
        ({INDEX: "x", "VLCORPUS_PARTS": "4"}, "is 'x', which is no number"),
        ({INDEX: "1", "VLCORPUS_PARTS": "0"}, "is 1, and VLCORPUS_PARTS 0"),
        ({"SLURM_PROCID": "1"}, "SLURM_NTASKS is not set"),
        ({"SLURM_ARRAY_TASK_ID": "1"}, "SLURM_ARRAY_TASK_MIN is not set"),
        (ARRAY | {"SLURM_ARRAY_TASK_ID": "4"}, "have gaps"),
        (ARRAY | {"SLURM_ARRAY_TASK_ID": "7"}, "have gaps"),
        (ARRAY | {"SLURM_ARRAY_TASK_STEP": "0"}, "have gaps"),
        (ARRAY | {"SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "2"}, "has 2 tasks"),
        ({"RANK": "1", "WORLD_SIZE": "2", INDEX: "0", "VLCORPUS_PARTS": "2"}, "says part 1/2, and RANK says 2/2"),
        ({"RANK": "-1", "WORLD_SIZE": "2"}, "is '-1', which is no number"),
    ],
)
def test_what_a_scheduler_does_not_say(environ: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        find("auto", environ)


@pytest.mark.parametrize("wrong", ["0/2", "3/2", "1", "1/0", "a/b", "-1/2", "", "1/2/3", "¹/2", "1/9999999999"])
def test_what_is_no_part_is_refused(wrong: str) -> None:
    with pytest.raises(UsageError, match="is no part") as raised:
        find(wrong, {"RANK": "0", "WORLD_SIZE": "2"})
    assert "2/8" in raised.value.hint


def test_every_unit_is_in_one_part_whatever_else_there_is() -> None:
    names = [f"{number:05d}" for number in range(50)] + [f"seed-{number}" for number in range(50)]
    for parts in (1, 2, 3, 7):
        own = [{name for name in names if Part(part, parts).has(name)} for part in range(1, parts + 1)]
        assert sum(map(len, own)) == len(names) and set.union(*own) == set(names)
        assert all(len(each) >= 100 / parts / 2 for each in own)
    assert Part(2, 4).has("00005") and Part(2, 4).has("5") and not Part(1, 4).has("00005")


def test_reductions_are_for_one_and_files_and_shards_for_all() -> None:
    assert shared(Download()) and shared(ReadLists(source="a.csv"))
    assert not (shared(Filter(min_sim=0.3)) or shared(TrainProbe(probe="p")))
