"""Words a command cannot take: options, names, and files that are missing or something else."""

import shlex

from harness import Subject

OPTIONS = Subject(
    "Command line: options and names",
    "commands, options and values that do not exist, are of another type, out of range, missing, "
    "or belong to another command",
    "exit code 2 (3 if data is missing) and one line with what there is; nothing is written",
)
FILES = Subject(
    "Command line: files",
    "for every argument that is a file: none there, an empty one, bytes of no format, a folder, a "
    "file in place of a folder",
    "exit code 1 to 3 and one line that names the file; what stood there still does",
)
NO_DATASET = "no dataset 'nothing'; there are: s"
MATRIX = "%%MatrixMarket matrix coordinate real symmetric\n2 2 3\n1 1 4.0\n2 1 -1.0\n2 2 4.0\n"
GARBAGE = bytes(range(256)) * 20
TRAIN = "train synthetic-tridiag --model MLP --epochs 1"
SAMPLE = "suitesparse-invk --version sample"


def prepare(bench):
    """Files of every kind, none of them right but A.mtx."""
    bench.file("A.mtx", MATRIX)
    bench.file("A.txt", "1 2")
    bench.file("file", "x")
    bench.file("folder/inside", "kept")
    for ending in ("h5", "mtx", "toml", "jsonl", "json"):
        bench.file(f"empty.{ending}", "")
        bench.file(f"garbage.{ending}", GARBAGE)
    bench.file("bad.toml", "a = ")
    bench.file("raises.py", "x = 1\nraise ValueError('mine')\n")
    bench.file("syntax.py", "x = 1\ndef (:\n")
    bench.file("leaves.py", "import sys\nsys.exit(0)\n")
    bench.file("plain.py", "x = 1\n")


def add(subject, line, code, fragment, *, writes=False):
    def run(bench):
        prepare(bench)
        before = bench.listing()
        bench.command(*shlex.split(line), code=code, fragment=fragment)
        if not writes:
            assert bench.listing() == before

    subject.add(line, run)


for line, fragment in {
    "nothing": "No such command 'nothing'",
    "--nothing": "No such option",
    "--log-level loud list": "--log-level",
    "list nothing": NO_DATASET,
    "list --nothing": "No such option",
    "list suitesparse-invk extra": "unexpected extra argument",
    "info": "Missing argument",
    "info nothing": NO_DATASET,
    "info suitesparse-invk --version 9.9": "no version '9.9'; there are: sample, 1.0",
    "info suitesparse-invk --config nothing --split test": "no configuration 'nothing'; there are",
    "info suitesparse-invk --split nothing": "no split 'nothing'; there are",
    "build": "Missing argument",
    "build nothing": NO_DATASET,
    "build synthetic-tridiag --config nothing": "no configuration 'nothing'; there are: local",
    "build synthetic-tridiag --split nothing": "no split 'nothing'; there are: train",
    "build synthetic-tridiag --version 0": "no version '0'; there are: 1.0",
    "build synthetic-tridiag --jobs 0": "jobs is 0; give 1 or more",
    "build synthetic-tridiag --jobs -1": "jobs is -1; give 1 or more",
    "build synthetic-tridiag --jobs many": "Invalid value for '--jobs'",
    "build synthetic-tridiag --jobs 1.5": "Invalid value for '--jobs'",
    "build synthetic-tridiag --max-n 10": "only suitesparse-invk is built from a mirror",
    "build synthetic-tridiag --unverified": "only suitesparse-invk is built from a mirror",
    "build synthetic-tridiag --dry-run": "go with --config large",
    "build synthetic-tridiag --source folder": "only suitesparse-invk is built from a mirror",
    "build suitesparse-invk --max-n ten": "Invalid value for '--max-n'",
    "build suitesparse-invk --config large --max-memory nan": "--max-memory is nan",
    "build suitesparse-invk --config large --max-memory inf": "--max-memory is inf",
    "build suitesparse-invk --config large --max-memory 0": "--max-memory is 0; give GB",
    "build suitesparse-invk --config large --max-memory -1": "--max-memory is -1; give GB",
    "verify nothing": NO_DATASET,
    "train": "name a dataset: synthetic-tridiag, ",
    "train nothing --model MLP": NO_DATASET,
    "train synthetic-tridiag --model nothing": "no model is called 'nothing'; known: Bi",
    "train synthetic-tridiag --model mlp": "no model is called 'mlp'; known: Bi",
    f"{TRAIN} --rounds 0": "rounds is 0; it must be an integer, 1 or more",
    f"{TRAIN} --rounds -3": "rounds is -3; it must be an integer, 1 or more",
    f"{TRAIN} --rounds three": "Invalid value for '--rounds'",
    f"{TRAIN} --width 0": "width is 0; it must be",
    "train synthetic-tridiag --model MLP --epochs 0": "epochs is 0; it must be",
    "train synthetic-tridiag --model MLP --epochs 1e3": "Invalid value for '--epochs'",
    f"{TRAIN} --loss nothing": "no loss is called 'nothing'; known: frob",
    f"{TRAIN} --scaling nothing": "scaling is 'nothing'; it must be one of standardised",
    f"{TRAIN} --learning-rate 0": "learning_rate is 0.0; it must be a finite number above 0",
    f"{TRAIN} --learning-rate -1": "learning_rate is -1.0; it must be",
    f"{TRAIN} --learning-rate nan": "learning_rate is nan; it must be",
    f"{TRAIN} --learning-rate inf": "learning_rate is inf; it must be",
    f"{TRAIN} --learning-rate small": "Invalid value for '--learning-rate'",
    f"{TRAIN} --decay-every 0": "decay_every is 0; it must be",
    f"{TRAIN} --patience 0": "patience is 0; it must be",
    f"{TRAIN} --seeds a": "seeds is 'a'; write for example 0,1,2",
    f"{TRAIN} --seeds 0,,1": "seeds is '0,,1'; write for example",
    f"{TRAIN} --seeds ''": "seeds is ''; write for example",
    f"{TRAIN} --seeds 0,0": "seeds is '0,0'; name every seed once",
    f"{TRAIN} --seeds -1": "seed is -1; it must be an integer, 0 or more",
    f"{TRAIN} --seeds {10**23}": "seed is 1000.*; it must be at most",
    f"{TRAIN} --config nothing": "no configuration 'nothing'; there are: local",
    f"{TRAIN} --label nothing": "no target 'nothing'; there are: modified, literal",
    f"{TRAIN} --version 7": "no version '7'; there are: 1.0",
    f"{TRAIN} --max-rows 0": "max_rows is 0; it must be an integer, 1 or more",
    f"{TRAIN} --max-rows 3": "no matrix of split 'train' has at most 3 rows; raise max_rows",
    f"{TRAIN} --batch-size 0": "batch_size is 0; it must be",
    f"{TRAIN} --max-edges 0": "max_edges is 0; it must be",
    f"{TRAIN} --device nothing": "device is 'nothing'; it must be one of auto, cpu, cuda",
    f"{TRAIN} --device cuda:7": "device is 'cuda:7'; it must be one of",
    f"{TRAIN} --threads 0": "threads is 0; it must be",
    "train --all --model MLP": "--all takes its settings from the grid; use --grid FILE",
    f"train {SAMPLE} --model MoebiusCell --epochs 1": "recurrence for tridiagonal matrices",
    "figures": "Missing option '--results'",
    "board": "Missing argument",
    "factor": "Missing argument",
    "factor A.mtx --method lu": "'lu' is not one of 'invk', 'ic0'",
    "factor A.mtx --out L.txt": "write to a .mtx or .npz file",
    "factor A.mtx --out folder": "write to a .mtx or .npz file",
    "download": "Missing argument",
    "download nothing": NO_DATASET,
    "download suitesparse-invk --version 9": "no version '9'; there are: sample, 1.0",
    f"download {SAMPLE} --split nothing": "no split 'nothing'; there are",
    "release": "Missing argument",
    "release new --dataset nothing": NO_DATASET,
    "release new --dataset suitesparse-invk --version 9": "no version '9'",
    f"release new --dataset {SAMPLE} --config nothing": "no configuration 'nothing'; there are",
    f"release new --dataset {SAMPLE} --base-url ftp://example.org": "no address to publish at",
    f"release new --dataset {SAMPLE} --base-url nothing": "no address to publish at; give http",
    f"release new --dataset {SAMPLE} --date yesterday": "is no date; write YYYY-MM-DD",
    f"release new --dataset {SAMPLE} --date 2026-02-30": "is no date; write YYYY-MM-DD",
    "export": "Missing argument",
    "export suitesparse-invk": "Missing option '--split'",
    "export suitesparse-invk --split test --to csv --out new": "'csv' is not one of 'mtx'",
    "export nothing --split test --to mtx --out new": NO_DATASET,
    f"export {SAMPLE} --split nothing --to mtx --out new": "no split 'nothing'; there are",
    f"export {SAMPLE} --split test --to mtx --out new --label nothing": "no factor 'nothing'",
    "cite nothing": "no dataset 'nothing'; there are: s",
    "submit nothing": "No such command 'nothing'",
    "submit pack": "name one of: folders of runs",
    "submit pack --entry nothing": "--entry needs --dataset",
    f"submit pack --entry plain.py --dataset {SAMPLE} --out new": "is no entry point",
    f"submit pack --entry plain.py:nothing --dataset {SAMPLE} --out new": "has no function 'noth",
    f"submit pack --entry plain.py:x --dataset {SAMPLE} --out new": "has no function 'x'",
    "submit check": "Missing argument",
    "submit schema extra": "unexpected extra argument",
    "leaderboard nothing": "No such command 'nothing'",
    "leaderboard reference nothing --folder new": "there is no track 'nothing'; known: synth",
    "leaderboard score": "Missing argument",
    "quickstart --epochs 0 --out new": "epochs is 0; it must be",
    "quickstart --rounds 0 --out new": "rounds is 0; it must be",
    "quickstart --seed -1 --out new": "seed is -1; it must be",
    "quickstart --device nothing --out new": "device is 'nothing'; it must be",
    "doctor --nothing": "No such option",
}.items():
    add(OPTIONS, line, 2, fragment)

add(OPTIONS, f"download {SAMPLE}", 3, "no mirror is known; set PRECONDBENCH_MIRROR")
add(OPTIONS, "build suitesparse-invk --config large --dry-run", 3, "PRECONDBENCH_OFFLINE forbids")
add(OPTIONS, "build suitesparse-invk --version 1.0", 3, "set PRECONDBENCH_SUITESPARSE to a mirror")

NO_FOLDER = r"file is (not )?a (folder|file).*; name a|file.*Not a directory; a file stands"
NO_HDF5 = "cannot be read as HDF5"
NO_ENTRY = "is not the file of an entry; name one as LEADERBOARD/entries/TRACK/ID.json"
for line, code, fragment in (
    ("build suitesparse-invk --source nowhere --version 1.0", 3, "nowhere is no mirror of"),
    ("build suitesparse-invk --source folder --max-n 10", 3, "folder is no mirror of the collec"),
    ("build suitesparse-invk --source file --max-n 10", 3, "file is no mirror of the collection"),
    ("build synthetic-tridiag --config twin --split val --root file", 2, NO_FOLDER),
    ("build synthetic-tridiag --config twin --split val --root file/below", 2, NO_FOLDER),
    ("verify folder", 2, "no dataset 'folder'; there are"),
    ("verify A.mtx", 2, "no dataset 'A.mtx'; there are"),
    (f"{TRAIN} --out file", 3, NO_FOLDER),
    (f"{TRAIN} --import nothing.py", 2, "there is no file nothing.py"),
    (f"{TRAIN} --import no_such_module", 2, "neither a module that can be imported nor a .py"),
    (f"{TRAIN} --import raises.py", 2, "raises.py fails while .* line 2: ValueError: mine"),
    (f"{TRAIN} --import syntax.py", 2, "syntax.py fails while .* line 2: SyntaxError"),
    (f"{TRAIN} --import leaves.py", 2, "leaves.py fails while .* line 2: SystemExit"),
    (f"{TRAIN} --protocol nothing.toml", 2, "nothing.toml cannot be read .No such file"),
    (f"{TRAIN} --protocol garbage.toml", 2, "garbage.toml is not UTF-8 text"),
    (f"{TRAIN} --protocol bad.toml", 2, "bad.toml is not a TOML file"),
    (f"{TRAIN} --protocol folder", 2, "folder is not a regular file"),
    ("train --all --grid nothing.toml", 2, "nothing.toml cannot be read .No such file"),
    ("train --all --grid empty.toml", 2, "empty.toml is no grid; it must hold tables"),
    ("train --all --grid garbage.toml", 2, "garbage.toml is not UTF-8 text"),
    ("train --all --grid bad.toml", 2, "bad.toml is not a TOML file"),
    ("train --all --grid folder", 2, "folder is not a regular file"),
    ("score nothing.h5", 2, "there is no file nothing.h5"),
    ("score empty.h5", 2, NO_HDF5),
    ("score garbage.h5", 2, NO_HDF5),
    ("score folder", 2, "there is no file folder"),
    ("score A.mtx", 2, NO_HDF5),
    ("results nothing", 2, "there is no folder nothing; name one that holds runs"),
    ("results file", 2, "there is no folder file; name one that holds runs"),
    ("results folder --out folder", 2, "folder is a folder; name a file to write"),
    ("results folder --out garbage.jsonl", 2, "garbage.jsonl cannot be read as results"),
    ("figures --results nothing.jsonl", 2, "nothing.jsonl cannot be read as results"),
    ("figures --results garbage.jsonl", 2, "garbage.jsonl cannot be read as results"),
    ("figures --results folder", 2, "folder cannot be read as results"),
    ("board nothing.h5", 2, "there is no file nothing.h5"),
    ("board empty.h5", 2, NO_HDF5),
    ("board garbage.h5", 2, NO_HDF5),
    ("board folder", 2, "there is no file folder"),
    ("factor nothing.mtx", 2, "there is no file nothing.mtx; give a .mtx"),
    ("factor empty.mtx", 2, "empty.mtx is not readable as Matrix Market"),
    ("factor garbage.mtx", 2, "garbage.mtx is not readable as Matrix Market"),
    ("factor folder", 2, "there is no file folder; give a .mtx"),
    ("factor A.txt", 2, "A.txt: unknown ending; give a .mtx"),
    ("factor A.mtx --out file/L.mtx", 2, NO_FOLDER),
    ("release file", 2, "file is a file; name a folder to write the release into"),
    (f"export {SAMPLE} --split test --config tril --to mtx --out file", 2, NO_FOLDER),
    ("submit pack nothing", 1, "nothing is not the folder of a finished run; train it first"),
    ("submit pack folder", 1, "folder is not the folder of a finished run; train it first"),
    ("submit pack file", 1, "file is not the folder of a finished run; train it first"),
    ("submit pack --entry nothing.py:f --dataset suitesparse-invk", 2, "there is no file nothing"),
    ("submit pack --entry raises.py:f --dataset suitesparse-invk", 2, "line 2: ValueError: mine"),
    ("submit pack --entry syntax.py:f --dataset suitesparse-invk", 2, "line 2: SyntaxError"),
    ("submit pack --predictions nothing.h5 --out new", 1, "there is no file nothing.h5"),
    ("submit pack --predictions garbage.h5 --out new", 1, NO_HDF5),
    ("submit pack --predictions empty.h5 --out new", 1, NO_HDF5),
    ("submit check nothing", 1, "nothing/submission.json cannot be read"),
    ("submit check folder", 1, "folder/submission.json cannot be read"),
    ("submit check file", 1, "file/submission.json cannot be read"),
    ("leaderboard score nothing --folder new", 1, "nothing/submission.json cannot be read"),
    ("leaderboard score folder --folder file", 1, "folder/submission.json cannot be read"),
    ("leaderboard reproduce nothing.json", 1, NO_ENTRY),
    ("leaderboard reproduce garbage.json", 1, NO_ENTRY),
    ("leaderboard reproduce folder", 1, NO_ENTRY),
    ("leaderboard render --folder nothing --out new", 1, "nothing holds no tracks; name"),
    ("leaderboard render --folder folder --out new", 1, "folder holds no tracks; name the folder"),
    ("leaderboard render --folder file --out new", 1, "file holds no tracks; name the folder"),
    ("quickstart --out file", 3, "file: File exists; something else stands there"),
):  # fmt: skip
    add(FILES, line, code, fragment)


def told(line, fragment):
    """Commands that report in a table what is wrong, and exit with 1."""

    def run(bench):
        prepare(bench)
        before = bench.listing()
        done = bench.process(*shlex.split(line), code=1)
        assert fragment in " ".join(done.split())
        assert bench.listing() == before

    FILES.add(line, run)


told("verify nothing.h5", "there is no such file; fetch or build it")
told("verify empty.h5", "not an HDF5 file")
told("verify garbage.h5", "not an HDF5 file")
told("doctor --root file --no-check", "is a file; name a folder in PRECONDBENCH_CACHE")


@OPTIONS.parametrised()
def test_options_and_names(bench, name):
    OPTIONS.run(bench, name)


@FILES.parametrised()
def test_files(bench, name):
    FILES.run(bench, name)
