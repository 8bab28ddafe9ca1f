from __future__ import annotations

import subprocess
import sys

HEAVY = ("torch", "numpy", "pyarrow", "pandas", "faiss", "cv2", "duckdb", "open_clip", "PIL", "selectolax", "pycurl")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "vlcorpus", *arguments], capture_output=True, text=True)


def test_help_loads_nothing_heavy() -> None:
    code = "import sys; sys.argv = ['vlcorpus', '--help']\n"
    code += "from vlcorpus.cli.main import main\n"
    code += "try: main()\nexcept SystemExit as end: assert not end.code, end.code\n"
    code += f"print('LOADED', [name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "LOADED []"


def test_every_stage_is_a_command_with_help() -> None:
    from vlcorpus.stages import registry

    listing = run("--help").stdout
    for name in registry.names():
        assert name in listing
    assert "--min-sim" in run("filter", "--help").stdout


def test_wrong_words_end_with_2_and_a_line() -> None:
    for arguments in (["flter", "c"], ["filter"], ["filter", "c", "--min-smi", "1"], ["crawl", "c"]):
        done = run(*arguments)
        assert done.returncode == 2, (arguments, done.stderr)
        assert "Traceback" not in done.stderr and done.stderr.strip()


def test_a_value_out_of_bounds_ends_with_2_and_names_the_setting() -> None:
    done = run("filter", "nowhere", "--min-sim", "7")
    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == ("error: 'min_sim' is 7, above its greatest value 1 (filter: min_sim)")
