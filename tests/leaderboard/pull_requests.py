"""Pull requests against a small board: hostile ones, each with the reason to refuse it, and honest.

``HOSTILE`` and ``HONEST`` map a name to a case, which changes a checkout of the board. ``Kit``
has the submissions and scored entries that they are made of.

Longer than other files: it is one catalogue, whose cases are made in the same few ways.
"""

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors.numpy
from typer.testing import CliRunner

from precondbench import SyntheticTridiag
from precondbench.cli import app
from precondbench.leaderboard import (
    add_owner,
    entry_path,
    open_bundle,
    pack_function,
    pack_predictions,
    pack_runs,
    score_submission,
)
from precondbench.leaderboard.entries import (
    Track,
    _json,
    read_leaderboard,
    submission_path,
    write_entry,
    write_track,
)
from precondbench.leaderboard.methods.registry import reference_rows
from precondbench.leaderboard.pretrained import _write_sums, add_weights
from precondbench.leaderboard.registers import Owners, add_reproduced, write_register
from precondbench.leaderboard.scoring.score import score_candidates
from precondbench.leaderboard.submissions.check import _reference, _submitted, entry_id
from precondbench.leaderboard.tracks import open_track, track_named
from precondbench.quality import values_digest
from precondbench.shards import file_sha256, read_predictions, write_predictions

TWIN = "synthetic-tridiag-1.0-twin-test"
DATA = "synthetic-tridiag-1.0-twin"
MAINTAINER, ME, OTHER = 1, 42, 7
SAID = {"authors": ["A. Author"], "description": "A method."}


# -- the board and what pull requests add to it --


def root_of_diagonal(A):
    from scipy.sparse import diags_array

    return diags_array(np.sqrt(A.diagonal())).tocsr()


def half_sweep(A):
    from scipy.sparse import diags_array, tril

    root = np.sqrt(A.diagonal())
    return (tril(A, k=-1) @ diags_array(0.5 / root) + diags_array(root)).tocsr()


@dataclass
class Kit:
    """``board``: the base. ``parts``: what a pull request with one more entry has, by name."""

    board: Path
    submissions: dict[str, Path]
    parts: dict[str, Path]

    def add(self, checkout, name, account=ME):
        """Put an entry that was scored before, with all that belongs to it, into a checkout."""
        board = checkout / "leaderboard"
        shutil.copytree(self.parts[name], board, dirs_exist_ok=True)
        (entry,) = (self.parts[name] / "entries" / TWIN).glob("*.json")
        add_owner(board, TWIN, entry.stem, account)
        if (board / "weights").is_dir():
            _write_sums(board / "weights")
        return board


def make_kit(folder):
    """Train, fit, pack and score everything once."""
    made = folder / "submissions"
    runs = folder / "runs"
    for model, more in (
        ("MLP", ["--set", "rounds=1", "--seeds", "0,1,2"]),
        ("MLP", ["--set", "rounds=2", "--seeds", "0,1,2"]),
        ("MoebiusCell", ["--set", "rounds=1", "--seeds", "0"]),
    ):
        result = CliRunner().invoke(
            app,
            ["train", "synthetic-tridiag", "--config", "twin", "--model", model, *more,
             "--set", "epochs=1", "--set", "device=cpu", "--out", str(runs)],
        )  # fmt: skip
        assert result.exit_code == 0, result.output
    for name, group in (("mlp-1", "MLP-1"), ("mlp-2", "MLP-2"), ("moebius", "MoebiusCell-1")):
        pack_runs(sorted((runs / DATA / group).glob("seed-*")), "test", made / name, SAID)
    data = SyntheticTridiag(split="test", config="twin")
    for name, function in (("diagonal", root_of_diagonal), ("sweep", half_sweep)):
        said = {"method": name.title(), "kind": "classical", **SAID}
        pack_function(function, data, made / name, said)
    pairs = [data.pair(i) for i in range(len(data))]
    for first, name, method in ((0, "own", "Own network"), (10, "new", "New network")):
        noisy = {
            seed: {
                p.name: p.L.data * (1 + 0.05 * np.random.default_rng(seed).standard_normal(p.L.nnz))
                for p in pairs
            }
            for seed in range(first, first + 3)
        }
        file = folder / f"{name}.safetensors"
        write_predictions(file, "m", data.shard, data.label, noisy)
        said = {"method": method, "kind": "learned", "command": "python mine.py", **SAID}
        pack_predictions([file], made / name, said)

    names = ("mlp-1", "mlp-2", "moebius", "diagonal", "sweep", "own", "new")
    submissions = {name: made / name for name in names}
    parts = {name: folder / "parts" / name for name in names}
    board = folder / "board"
    track = open_track(track_named(TWIN))
    bundles = {name: open_bundle(submissions[name]) for name in names}
    candidates = {
        name: _submitted(bundle, entry_id(bundle.submission.method), track, None)
        for name, bundle in bundles.items()
    }
    rows = reference_rows(track.name)
    candidates |= {name: _reference(rows[name]) for name in ("Jacobi", "IC(0)")}
    for name, entry in score_candidates(track, candidates).items():
        write_entry(parts.get(name, board), entry)
        if name in names:
            add_weights(parts[name], track.name, entry.id, bundles[name].weights)
            shutil.copytree(submissions[name], submission_path(parts[name], TWIN, entry.id))
    write_track(board, Track.model_validate(track.describe()))
    (board / "README.md").write_text("# The leaderboard\n")
    for name, account in (("mlp-1", ME), ("diagonal", ME), ("own", OTHER)):
        shutil.copytree(parts[name], board, dirs_exist_ok=True)
        (entry,) = (parts[name] / "entries" / TWIN).glob("*.json")
        add_owner(board, TWIN, entry.stem, account)
    # Its weights stay, and the submission moves to an archive.
    shutil.rmtree(submission_path(board, TWIN, "mlp-1-round"))
    known = json.loads((board / "owners.json").read_text())["owners"]
    write_register(board, Owners(maintainers=[MAINTAINER], owners=known))
    return Kit(board, submissions, parts)


# -- cases --


@dataclass(frozen=True)
class Case:
    change: Callable[[Path, Kit], None]
    account: int
    reason: str


HOSTILE: dict[str, Case] = {}
HONEST: dict[str, Case] = {}
# Refused, or passed, only after the scorer has run.
SCORED: set[str] = set()


def hostile(reason, account=ME, scored=False):
    def add(function):
        HOSTILE[function.__name__] = Case(function, account, reason)
        SCORED.update([function.__name__] if scored else [])
        return function

    return add


def honest(function, account=ME):
    SCORED.add(function.__name__)
    HONEST[function.__name__] = Case(function, account, "")
    return function


def edit(board, entry, change, text=None):
    """Change an entry's content, and write it as the library does, or by ``text``."""
    path = entry_path(board, TWIN, entry)
    content = json.loads(path.read_text())
    change(content)
    path.write_text(_json(content, "") + "\n" if text is None else text(content))
    return path


def edit_submission(board, entry, change):
    path = submission_path(board, TWIN, entry) / "submission.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def say(name, entry="sweep", part="sweep", **fields):
    """Return a change that adds an entry whose makers say something else."""

    def change(checkout, kit):
        board = kit.add(checkout, part)
        edit(board, entry, lambda c: c.update(fields))
        edit_submission(board, entry, lambda c: c.update(fields))

    change.__name__ = name
    return change


def predict_otherwise(board, entry, change):
    """Change the values of a submission, and state their digests there and in the entry."""
    path = submission_path(board, TWIN, entry) / "predictions.safetensors"
    found = read_predictions(path)
    values = change({seed: found.seeds[seed].copy() for seed in sorted(found.seeds)})
    data = SyntheticTridiag(split="test", config="twin")
    by_name = {
        seed: dict(zip(data.shard.names, np.split(v, data.shard.prediction_offsets[1:-1]),
                       strict=True))
        for seed, v in values.items()
    }  # fmt: skip
    write_predictions(path, found.method, data.shard, found.label, by_name)
    digests = {str(seed): values_digest(v) for seed, v in values.items()}
    edit_submission(board, entry, lambda c: c.update(predictions=digests))
    edit(board, entry, lambda c: c.update(predictions=digests))


def weigh_otherwise(board, entry, change):
    """Change the tensors of weights by seed, and state the digests of the files everywhere."""
    folder = board / "weights" / DATA / entry
    paths = {int(p.stem.removeprefix("seed-")): p for p in sorted(folder.glob("*.safetensors"))}
    tensors = change({seed: safetensors.numpy.load_file(p) for seed, p in paths.items()})
    for seed, path in paths.items():
        with safetensors.safe_open(path, framework="numpy") as file:
            metadata = file.metadata()
        safetensors.numpy.save_file(tensors[seed], path, metadata)
        shutil.copyfile(path, submission_path(board, TWIN, entry) / "weights" / path.name)
    _write_sums(board / "weights")
    digests = {str(seed): file_sha256(path) for seed, path in paths.items()}
    edit_submission(board, entry, lambda c: c.update(weights=digests))
    edit(board, entry, lambda c: c.update(weights=digests))


def git(folder, *arguments):
    words = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
    done = subprocess.run(words, cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


# -- code --


@hostile("is run; its code is read, scored and added by maintainers: send them the submission")
def code_of_a_stranger(checkout, kit):
    board = kit.add(checkout, "sweep")
    program = {"entry": "sweep:method", "form": "factor", "python": "3.11", "code": 64 * "0"}
    edit(board, "sweep", lambda c: c.update(program={**program, "requirements": "", "weights": {}}))


@hostile("states what came of hidden matrices; only maintainers write that")
def hidden_by_a_stranger(checkout, kit):
    board = kit.add(checkout, "sweep")
    hidden = {"digest": 64 * "0", "matrices": 9, "solved": 1.0, "ratio_mean": 1.0}
    hidden |= {"interval": [1.0, 1.0], "ic0_ratio_mean": 2.0, "date": "2026-11-29"}
    edit(board, "sweep", lambda c: c.update(hidden={**hidden, "precondbench": "0.1.0"}))


@hostile("is code of an entry that is not run; remove it")
def code_beside_predictions(checkout, kit):
    folder = submission_path(kit.add(checkout, "sweep"), TWIN, "sweep") / "code"
    folder.mkdir()
    (folder / "sweep.py").write_text("")


# -- scores --


@hostile("iterations|sides|summary", scored=True)
def better_iterations(checkout, kit):
    board = kit.add(checkout, "mlp-2")
    edit(board, "mlp-2-rounds", lambda c: c["seeds"][0]["iterations"].__setitem__(0, 1))


@hostile("cosine_mean is 0.99", scored=True)
def better_cosine(checkout, kit):
    board = kit.add(checkout, "sweep")
    edit(board, "sweep", lambda c: c["seeds"][0]["summary"].update(cosine_mean=0.99))


@hostile(r"interval\[0\] is", scored=True)
def narrower_interval(checkout, kit):
    board = kit.add(checkout, "sweep")
    edit(board, "sweep", lambda c: c.update(interval=[1.0, 1.0]))


@hostile("is not scored without its submission")
def better_without_a_submission(checkout, kit):
    board = checkout / "leaderboard"
    edit(board, "mlp-1-round", lambda c: c["seeds"][0]["iterations"].__setitem__(0, 1))


@hostile("is not scored without its submission")
def kind_of_an_archived_entry(checkout, kit):
    edit(checkout / "leaderboard", "mlp-1-round", lambda c: c.update(kind="classical"))


@hostile("the values of seed 0 have another digest")
def other_values(checkout, kit):
    board = kit.add(checkout, "sweep")
    path = submission_path(board, TWIN, "sweep") / "predictions.safetensors"
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)


@hostile("description is 'A method.'", scored=True)
def submission_says_something_else(checkout, kit):
    board = kit.add(checkout, "sweep")
    edit_submission(board, "sweep", lambda c: c.update(description="Another method."))


@hostile("was scored by version '9.9, checked by maintainers'")
def words_as_a_version(checkout, kit):
    board = kit.add(checkout, "sweep")
    edit(board, "sweep", lambda c: c["scorer"].update(precondbench="9.9, checked by maintainers"))


# -- tiers --


@hostile("does not follow its schema at tier")
def reproduced_in_the_entry(checkout, kit):
    board = kit.add(checkout, "mlp-2")

    def spaced(content):
        return json.dumps(content, indent=3).replace('"tier": ', '"\\u0074ier"\n :\t')

    edit(board, "mlp-2-rounds", lambda c: c.update(tier="reproduced"), spaced)


@hostile("reproduced.json is changed by maintainers only")
def reproduced_in_the_register(checkout, kit):
    board = checkout / "leaderboard"
    add_reproduced(board, read_leaderboard(board).entries[TWIN]["mlp-1-round"])


@hostile("has tier reference, which is for rows of the library")
def a_reference_of_ones_own(checkout, kit):
    board = kit.add(checkout, "sweep")
    edit(board, "sweep", lambda c: c.update(tier="reference"))


# -- entries and tracks of others --


@hostile("own-network is an entry of another account")
def delete_the_entry_of_another(checkout, kit):
    entry_path(checkout / "leaderboard", TWIN, "own-network").unlink()


@hostile("own-network is an entry of another account")
def describe_the_entry_of_another(checkout, kit):
    edit(checkout / "leaderboard", "own-network", lambda c: c.update(description="Withdrawn."))


@hostile("own-network is an entry of another account")
def delete_the_submission_of_another(checkout, kit):
    shutil.rmtree(submission_path(checkout / "leaderboard", TWIN, "own-network"))


@hostile("ic-0 is an entry of the maintainers")
def worse_reference(checkout, kit):
    edit(checkout / "leaderboard", "ic-0", lambda c: c["seeds"][0]["iterations"].__setitem__(0, 99))


@hostile("jacobi is an entry of the maintainers")
def delete_a_reference(checkout, kit):
    entry_path(checkout / "leaderboard", TWIN, "jacobi").unlink()


@hostile(f"tracks/{TWIN}.json is changed by maintainers only")
def easier_target(checkout, kit):
    path = checkout / "leaderboard" / "tracks" / f"{TWIN}.json"
    content = json.loads(path.read_text())
    content["matrices"][0]["target_iterations"] += 9
    path.write_text(_json(content, "") + "\n")


@hostile("is changed by maintainers only")
def another_track(checkout, kit):
    folder = checkout / "leaderboard" / "tracks"
    shutil.copyfile(folder / f"{TWIN}.json", folder / "synthetic-tridiag-1.0-easy-test.json")


@hostile("owners.json: only the lines of entries")
def owner_of_all(checkout, kit):
    board = checkout / "leaderboard"
    add_owner(board, TWIN, "own-network", ME)


@hostile("owners.json: only the lines of entries")
def maintainer_by_ones_own_word(checkout, kit):
    path = checkout / "leaderboard" / "owners.json"
    path.write_text(path.read_text().replace(f"  {MAINTAINER}\n", f"  {MAINTAINER},\n  {ME}\n"))


@hostile("must say that .*/sweep is of account 99", account=99)
def entry_in_the_name_of_another(checkout, kit):
    kit.add(checkout, "sweep", OTHER)


@hostile("must say that .*/mlp-2-rounds is of account 42")
def entry_of_nobody(checkout, kit):
    board = kit.add(checkout, "mlp-2")
    shutil.copyfile(kit.board / "owners.json", board / "owners.json")


# -- names --


def named(name, reason, **fields):
    change = say(name, **fields)
    HOSTILE[name] = Case(change, ME, reason)


CONFUSED = "can be taken for"
named("method_of_the_library", CONFUSED, method="IC(0)")
named("method_in_greek_capitals", CONFUSED, method="\u0399C(0)")
named("method_with_another_dash", CONFUSED, method="inv\u2013K")
named("method_in_cyrillic", "made of Latin and Greek letters", method="IC\u0421(0)")
named("method_in_wide_letters", "normal form NFKC", method="\uff29C(0)")
named("method_with_an_invisible_space", "invisible character", method="IC\u200b(0)")
named("method_read_backwards", "invisible character", method="IC\u202e(0)")
named("method_of_another_entry", CONFUSED, method="0wn  netw0rk".replace("  ", " "))
named("author_of_the_library", "the authors of the library", authors=["PreCondBench team"])
named("author_in_two_scripts", "mixes letters", authors=["\u0440re\u0441ondb\u0435nch"])
named(
    "link_with_a_user", "names a user before its host",
    links={"code": "https://github.com@evil.org/precondbench"},
)  # fmt: skip
named("link_in_cyrillic", "ASCII letters", links={"paper": "https://\u0430rxiv.org/abs/2405.15557"})
named("link_to_a_script", "links.code", links={"code": "javascript:alert(1)"})


@hostile("can be taken for IC\\(0\\)")
def id_of_the_library(checkout, kit):
    board = kit.add(checkout, "sweep")
    entry_path(board, TWIN, "sweep").unlink()
    content = json.loads(entry_path(kit.parts["sweep"], TWIN, "sweep").read_text()) | {"id": "ic0"}
    entry_path(board, TWIN, "ic0").write_text(_json(content, "") + "\n")
    folder = submission_path(board, TWIN, "sweep")
    folder.rename(folder.with_name("ic0"))
    shutil.copyfile(kit.board / "owners.json", board / "owners.json")
    add_owner(board, TWIN, "ic0", ME)


@hostile("can be taken for 'MLP \\(1 round\\)'", account=99)
def name_of_another_owner_with_other_digits(checkout, kit):
    board = kit.add(checkout, "sweep", 99)
    edit(board, "sweep", lambda c: c.update(method="MLP (l round)"))
    edit_submission(board, "sweep", lambda c: c.update(method="MLP (l round)"))


# -- seeds and weights --


@hostile("predictions of seeds 0 and 1 are equal up to rounding")
def one_seed_three_times(checkout, kit):
    board = kit.add(checkout, "mlp-2")
    predict_otherwise(board, "mlp-2-rounds", lambda values: dict.fromkeys(values, values[0]))


@hostile("predictions of seeds 0 and 1 are equal up to rounding")
def one_seed_with_noise(checkout, kit):
    board = kit.add(checkout, "mlp-2")
    predict_otherwise(
        board,
        "mlp-2-rounds",
        lambda values: {s: values[0] * np.float32(1 + s * 2e-7) for s in values},
    )


@hostile("is of a model of the library and has no weights")
def model_without_weights(checkout, kit):
    board = kit.add(checkout, "mlp-2")
    shutil.rmtree(board / "weights" / DATA / "mlp-2-rounds")
    shutil.rmtree(submission_path(board, TWIN, "mlp-2-rounds") / "weights")
    _write_sums(board / "weights")
    edit(board, "mlp-2-rounds", lambda c: c.update(weights={}))
    edit_submission(board, "mlp-2-rounds", lambda c: c.update(weights={}))


@hostile("nobody can score it again")
def neither_weights_nor_submission(checkout, kit):
    board = kit.add(checkout, "sweep")
    shutil.rmtree(submission_path(board, TWIN, "sweep"))


@hostile("is not what .* states as its weights")
def weights_of_another_seed(checkout, kit):
    board = kit.add(checkout, "mlp-2")
    folder = board / "weights" / DATA / "mlp-2-rounds"
    shutil.copyfile(folder / "seed-1.safetensors", folder / "seed-0.safetensors")
    _write_sums(board / "weights")


@hostile("lie outside the band", scored=True)
def weights_that_predict_something_else(checkout, kit):
    board = kit.add(checkout, "mlp-2")
    weigh_otherwise(
        board,
        "mlp-2-rounds",
        lambda t: {s: {k: v * np.float32(0.5) for k, v in t[s].items()} for s in t},
    )


@hostile("weights of seeds 0 and 1 are equal up to rounding")
def weights_of_one_seed_with_noise(checkout, kit):
    board = kit.add(checkout, "mlp-2")
    weigh_otherwise(
        board,
        "mlp-2-rounds",
        lambda t: {s: {k: v * np.float32(1 + s * 2e-7) for k, v in t[0].items()} for s in t},
    )


@hostile("weights of seeds 0 and 1 are equal up to rounding")
def weights_of_one_seed_in_another_order(checkout, kit):
    board = kit.add(checkout, "mlp-2")
    weigh_otherwise(
        board,
        "mlp-2-rounds",
        lambda t: {s: {k: np.roll(v, s).copy() for k, v in t[0].items()} for s in t},
    )


@hostile("states weights of seed 1; .* is not there")
def weights_removed(checkout, kit):
    board = checkout / "leaderboard"
    (board / "weights" / DATA / "mlp-1-round" / "seed-1.safetensors").unlink()
    _write_sums(board / "weights")


@hostile("is not the folder of its submission")
def submission_removed_that_scores_an_entry(checkout, kit):
    shutil.rmtree(submission_path(checkout / "leaderboard", TWIN, "diagonal"))


@hostile("is not what any entry states as its weights")
def weights_of_nothing(checkout, kit):
    board = checkout / "leaderboard"
    source = board / "weights" / DATA / "mlp-1-round" / "seed-0.safetensors"
    target = board / "weights" / DATA / "store" / "seed-0.safetensors"
    target.parent.mkdir()
    shutil.copyfile(source, target)
    _write_sums(board / "weights")


@hostile("has other bytes than")
def words_in_the_header_of_weights(checkout, kit):
    board = kit.add(checkout, "mlp-2")
    path = board / "weights" / DATA / "mlp-2-rounds" / "seed-0.safetensors"
    tensors = safetensors.numpy.load_file(path)
    with safetensors.safe_open(path, framework="numpy") as file:
        said = json.loads(file.metadata()["precondbench"]) | {"licence": "pay me"}
    safetensors.numpy.save_file(tensors, path, {"precondbench": json.dumps(said)})


@hostile("SHA256SUMS has other bytes")
def sums_of_other_weights(checkout, kit):
    board = kit.add(checkout, "mlp-2")
    path = board / "weights" / "SHA256SUMS"
    path.write_text(path.read_text().replace("a", "b", 1))


# -- files --


@hostile("has other bytes than the library writes")
def entry_in_another_form(checkout, kit):
    board = kit.add(checkout, "sweep")
    edit(board, "sweep", lambda c: None, lambda c: json.dumps(c, indent=1, sort_keys=True))


@hostile("the key 'kind' appears twice")
def entry_with_a_key_twice(checkout, kit):
    board = kit.add(checkout, "sweep")
    path = entry_path(board, TWIN, "sweep")
    path.write_text(path.read_text().replace("{", '{"kind": "classical",', 1))


@hostile("nested too deeply")
def entry_nested_deeply(checkout, kit):
    board = kit.add(checkout, "sweep")
    entry_path(board, TWIN, "sweep").write_text("[" * 200_000)


@hostile("has other bytes than `precondbench submit pack`")
def words_in_the_header_of_predictions(checkout, kit):
    board = kit.add(checkout, "sweep")
    path = submission_path(board, TWIN, "sweep") / "predictions.safetensors"
    tensors = safetensors.numpy.load_file(path)
    with safetensors.safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
    safetensors.numpy.save_file(tensors, path, metadata | {"more": "x" * 1000})


@hostile("has no place in a leaderboard")
def code_beside_entries(checkout, kit):
    (checkout / "leaderboard" / "entries" / TWIN / "conftest.py").write_text("import os\n")


@hostile("has no place in a leaderboard")
def pickle_in_a_submission(checkout, kit):
    board = kit.add(checkout, "sweep")
    (submission_path(board, TWIN, "sweep") / "model.pt").write_bytes(b"\x80\x04.")


@hostile("has no place in a leaderboard")
def same_name_in_capitals(checkout, kit):
    folder = checkout / "leaderboard" / "entries" / TWIN
    shutil.copyfile(folder / "ic-0.json", folder / "IC-0.json")


@hostile(r"evil\\nname.json has no place in a leaderboard")
def line_break_in_a_name(checkout, kit):
    (checkout / "leaderboard" / "entries" / TWIN / "evil\nname.json").write_text("{}")


@hostile("has no place in a leaderboard")
def deep_folders(checkout, kit):
    folder = checkout / "leaderboard" / "submissions" / "/".join("abcdefghijklmnop")
    folder.mkdir(parents=True)
    (folder / "submission.json").write_text("{}")


@hostile("Windows cannot store")
def name_of_a_device(checkout, kit):
    (checkout / "leaderboard" / "entries" / TWIN / "aux.json").write_text("{}")


@hostile("is a symbolic link")
def link_to_a_device(checkout, kit):
    (checkout / "leaderboard" / "entries" / TWIN / "mine.json").symlink_to("/dev/zero")


@hostile("is a symbolic link")
def link_to_a_folder(checkout, kit):
    (checkout / "leaderboard" / "submissions" / TWIN / "mine").symlink_to("/etc")


@hostile("is not a folder")
def link_in_place_of_the_board(checkout, kit):
    (checkout / "leaderboard").rename(checkout / "board")
    (checkout / "leaderboard").symlink_to("board")


@hostile("is not a folder")
def no_board(checkout, kit):
    shutil.rmtree(checkout / "leaderboard")


@hostile("such a file has at most 20971520")
def huge_predictions(checkout, kit):
    board = kit.add(checkout, "sweep")
    path = submission_path(board, TWIN, "sweep") / "predictions.safetensors"
    with path.open("r+b") as file:
        file.truncate(21 * 2**20)


@hostile("is executable")
def executable_entry(checkout, kit):
    board = kit.add(checkout, "sweep")
    entry_path(board, TWIN, "sweep").chmod(0o755)


@hostile("is an empty folder")
def another_repository_inside(checkout, kit):
    commit = git(checkout, "rev-parse", "HEAD")
    place = f"leaderboard/submissions/{TWIN}/mine"
    git(checkout, "update-index", "--add", "--cacheinfo", f"160000,{commit},{place}")
    (checkout / place).mkdir()


@hostile(".gitattributes changes how git writes files")
def attributes_of_files(checkout, kit):
    (checkout / ".gitattributes").write_text("leaderboard/** ident\n")


@hostile("belongs to no entry")
def submission_without_an_entry(checkout, kit):
    board = kit.add(checkout, "sweep")
    entry_path(board, TWIN, "sweep").unlink()
    shutil.copyfile(kit.board / "owners.json", board / "owners.json")


@hostile("which the folder lacks", account=MAINTAINER)
def track_removed_under_its_entries(checkout, kit):
    (checkout / "leaderboard" / "tracks" / f"{TWIN}.json").rename(
        checkout / "leaderboard" / "tracks" / "synthetic-tridiag-1.0-uniform-test.json"
    )
    path = checkout / "leaderboard" / "tracks" / "synthetic-tridiag-1.0-uniform-test.json"
    content = json.loads(path.read_text()) | {"id": path.stem}
    path.write_text(_json(content, "") + "\n")


@hostile("tier|reference|computed again|scored again", account=MAINTAINER, scored=True)
def even_a_maintainer_is_scored(checkout, kit):
    edit(checkout / "leaderboard", "ic-0", lambda c: c["seeds"][0]["iterations"].__setitem__(0, 99))


# -- honest --


@honest
def new_learned_with_weights(checkout, kit):
    kit.add(checkout, "mlp-2")


@honest
def new_classical(checkout, kit):
    kit.add(checkout, "sweep")


@honest
def new_fitted(checkout, kit):
    kit.add(checkout, "moebius")


@honest
def new_network_of_ones_own(checkout, kit):
    """Without weights that the library loads: its submission stays."""
    kit.add(checkout, "new")


@honest
def update_of_ones_own(checkout, kit):
    """Better predictions and new words, under the same id."""
    board = checkout / "leaderboard"
    folder = submission_path(board, TWIN, "diagonal")
    shutil.rmtree(folder)
    said = {"method": "Diagonal", "kind": "classical", **SAID, "description": "Improved."}
    pack_function(half_sweep, SyntheticTridiag(split="test", config="twin"), folder, said)
    score_submission(folder, board)


@honest
def words_corrected(checkout, kit):
    board = checkout / "leaderboard"
    links = {"code": "https://example.org/mlp", "paper": None}
    edit(board, "mlp-1-round", lambda c: c.update(description="A perceptron.", links=links))


@honest
def withdrawal(checkout, kit):
    board = checkout / "leaderboard"
    entry_path(board, TWIN, "diagonal").unlink()
    shutil.rmtree(submission_path(board, TWIN, "diagonal"))
    path = board / "owners.json"
    content = json.loads(path.read_text())
    del content["owners"][f"{TWIN}/diagonal"]
    path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")


@honest
def something_else(checkout, kit):
    (checkout / "README.md").write_text("Not about the board.\n")


def recorded_as_reproduced(checkout, kit):
    board = checkout / "leaderboard"
    add_reproduced(board, read_leaderboard(board).entries[TWIN]["mlp-1-round"])


honest(recorded_as_reproduced, MAINTAINER)
SCORED.difference_update(["withdrawal", "something_else", "recorded_as_reproduced"])
