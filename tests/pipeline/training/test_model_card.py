"""The model card of a version."""

from pathlib import Path

CLASS_TABLE = "| class | rows | precision | recall | F1 |"


def test_three_classes_have_a_table_of_each(multiclass_folder: Path) -> None:
    lines = (multiclass_folder / "card.md").read_text().splitlines()
    start = lines.index(CLASS_TABLE)
    rows = [line.strip("| ").split(" | ") for line in lines[start + 2 : lines.index("", start)]]
    assert len(rows) == 3
    assert all(int(row[1]) > 0 for row in rows)
    recalls = [float(row[3]) for row in rows]
    macro = next(line for line in lines if line.startswith("| recall_macro |")).split(" | ")[1]
    assert abs(sum(recalls) / len(recalls) - float(macro)) < 1e-4


def test_two_classes_have_none(artifact_folder: Path) -> None:
    assert CLASS_TABLE not in (artifact_folder / "card.md").read_text()
