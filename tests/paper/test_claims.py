"""Claims of the paper, the runs they are checked on, and the page that shows them."""

import doctest
import importlib

import pytest

import make_results_page as page_maker
from paper.__main__ import main
from paper.claims import check_claims
from paper.numbers import protocol_summaries
from precondbench.leaderboard.scoring.results import write_results


def test_the_protocol_is_chosen(make_row):
    rows = [make_row(max_epochs=epochs) for epochs in (300, 20, 100)]
    rows += [make_row(loss="k-condition"), make_row(width=32), make_row(learning_rate=0.01)]
    (chosen,) = protocol_summaries(rows, "synthetic-tridiag", "1.0", "uniform", "test")
    assert (chosen["max_epochs"], chosen["seeds"]) == (300, [0])


def test_settings_that_only_the_command_says_are_kept_apart(make_row):
    rows = [make_row(seed=seed) for seed in range(5)]
    for row, option in zip(
        rows, ("", "--batch-size 3", "--patience 9", "--device cuda", ""), strict=True
    ):
        row["command"] = f"precondbench train d {option} --seeds {row['seed']}"
    (chosen,) = protocol_summaries(rows, "synthetic-tridiag", "1.0", "uniform", "test")
    assert chosen["seeds"] == [0, 3, 4]


def test_the_command(make_row, tmp_path, capsys):
    path, out = tmp_path / "r.jsonl", tmp_path / "f"
    write_results(path, [make_row()])
    assert main(["--results", str(path), "--out", str(out)]) == 0
    assert len(list(out.glob("figure*"))) == 2 * 4
    printed = capsys.readouterr().out
    assert "figure2 is left out" in printed
    assert "figure4 is left out" in printed
    assert "of 9 claims: not measured yet" in printed
    assert "not measured yet" in (out / "claims.md").read_text()
    assert main(["--results", str(tmp_path / "gone.jsonl"), "--out", str(tmp_path / "g")]) == 2
    assert "cannot be read as results" in capsys.readouterr().err
    assert not (tmp_path / "g").exists()


def verdicts(rows, ceilings=()):
    return [claim.verdict for claim in check_claims(rows, dict(ceilings))]


def test_claims_follow_the_numbers(paper_like, make_row):
    agrees, differs = "agrees", "differs"
    assert verdicts(paper_like)[1:6] == [agrees] * 5
    assert verdicts(paper_like)[7:] == [differs, agrees]
    # The same with the order of models turned round: what was better is as much worse.
    turned = [
        row
        | {
            "one_minus_cosine_mean": 1e-4 / row["one_minus_cosine_mean"],
            "cosine_mean": 1 - 1e-4 / row["one_minus_cosine_mean"],
            "ratio_to_target": 1.05,
        }
        for row in paper_like
    ]
    assert verdicts(turned)[1:6] == [differs] * 5
    assert verdicts(turned)[8] == differs
    without_gen = [row for row in paper_like if row["model"] != "GEN"]
    assert verdicts(without_gen)[2] == "agrees in part"
    low = [make_row(model, one_minus_cosine=0.5) for model in ("MLP", "GEN")]
    assert verdicts(low)[7] == agrees
    assert verdicts([*low, *(make_row("MLP", rounds) for rounds in (1, 2, 3))])[7] == (
        "agrees in part"
    )


def test_a_spread_that_overlaps_is_level(make_row):
    rows = [make_row("MLP", 4, seed, 0.010 + 0.002 * seed) for seed in (0, 1)]
    rows += [make_row("GEN", 4, seed, 0.009 + 0.002 * seed) for seed in (0, 1)]
    claim = check_claims(rows, {})[2]
    assert claim.verdict == "differs"
    assert "level with MLP" in claim.finding


def test_ceilings_and_real_matrices(make_row):
    twins = [make_row("MessagePassingMLP", 4, 0, 0.02, configuration="twin")]
    assert verdicts(twins, {("twin", "test", 4): 0.99}.items())[0] == "agrees"
    assert verdicts(twins, {("twin", "test", 4): 0.97}.items())[0] == "differs"
    of_all_pairs = [make_row("FastGraphTransformer", 4, 0, 0.02, configuration="twin")]
    assert verdicts(of_all_pairs, {("twin", "test", 4): 0.97}.items())[0] == "not measured yet"
    names = {"dataset": "suitesparse-invk", "configuration": "tril"}
    levels = {"MLP": 0.1, "GEN": 0.1, "MessagePassingMLP": 0.09}
    real = [make_row(model, 4, 0, level, **names) for model, level in levels.items()]
    # Data and training are not the paper's, whatever the order of the models.
    assert verdicts(real)[6] == "not comparable"
    assert verdicts([*real[:2], make_row("GATv2", 4, 0, 0.08, **names)])[6] == "not comparable"


def test_page(paper_like, make_row, tmp_path):
    path = tmp_path / "r.jsonl"
    twin = make_row("MessagePassingMLP", 4, 0, 0.02, configuration="twin", max_epochs=100)
    other = make_row("MessagePassingMLP", 5, 0, loss="k-condition")
    other["command"] = other["command"].replace("--seeds", "--loss k-condition --seeds")
    large = make_row("MLP", split="test_large")
    write_results(path, [*paper_like, twin, other, large])
    page_maker.main(["--results", str(path), "--out", str(tmp_path)])
    text = (tmp_path / "results.md").read_text()
    row = (
        "| MessagePassingMLP | 4 | 300 | 3 | 0.99900 | 0.99900 to 0.99900 | 1.00e-03 | 30 | 100% |"
    )
    assert row in text
    # 0.99338 is the bound of docs/twins.md.
    assert "| 1.50 | 4 | 150 | 9,450 | 0.99338 | 1969 | 200 | 12 | some processor |" in text
    assert "precondbench train synthetic-tridiag --config twin --model MessagePassingMLP" in text
    assert "| MessagePassingMLP (loss k-condition) | 5 |" in text
    assert "Larger matrices" in text
    assert text.count("**Agrees.**") == 7
    assert "**Differs.** 0 of" in text
    for name in ("figure3", "figure3-hops", "figure3-twin"):
        assert f"figures/{name}.svg" in text
        assert (tmp_path / "figures" / f"{name}.svg").is_file()
    assert "figure4" not in text
    before = text
    page_maker.main(["--results", str(path), "--out", str(tmp_path)])
    assert (tmp_path / "results.md").read_text() == before


def test_page_of_nothing(tmp_path):
    path = tmp_path / "r.jsonl"
    write_results(path, [])
    page_maker.main(["--results", str(path), "--out", str(tmp_path)])
    text = (tmp_path / "results.md").read_text()
    assert "There are no results yet." in text
    assert "Agrees" not in text


@pytest.mark.parametrize("name", ["claims", "numbers"])
def test_examples(name):
    result = doctest.testmod(importlib.import_module(f"paper.{name}"))
    assert result.attempted
    assert not result.failed
