"""What docs/filters.md shows is what the language does."""

import json
import re
from pathlib import Path

import pytest

from app.domain.fields import RELATIONS
from app.domain.filters import parse
from app.domain.filters.text import parse_text, render_text
from app.domain.operators import MOVES, OPERATORS, Op, Type

TEXT = (Path(__file__).parents[2] / "docs" / "filters.md").read_text(encoding="utf-8")


def blocks(kind):
    return re.findall(rf"^```{kind}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def rows(heading):
    """The rows of the table under a heading row: what stands in code per cell."""
    table = TEXT.partition(f"| {heading} |")[2].partition("\n\n")[0]
    return [line.split(" | ") for line in table.splitlines()[2:]]


@pytest.mark.parametrize("source", [json.loads(block) for block in blocks("json")], ids=str)
def test_examples_in_json_are_filters(source):
    assert parse(parse_text(render_text(source))) == parse(source)


@pytest.mark.parametrize("line", [line for block in blocks("text") for line in block.splitlines()])
def test_examples_in_text_are_filters_as_they_are_written(line):
    assert render_text(parse_text(line)) == line


def test_the_first_example_is_the_same_in_both():
    assert parse_text(blocks("text")[0].strip()) == json.loads(blocks("json")[0])


def test_the_operators_of_each_type_are_listed():
    listed = {cells[0].strip("| "): tuple(re.findall(r"`(\w+)`", cells[1])) for cells in rows("Type | Operators")}
    assert listed == {str(type_): OPERATORS[type_] for type_ in Type if type_ is not Type.TRAIT}


def test_every_operator_has_a_way_of_being_said():
    said = {name for cells in rows("Operator | As text") for name in re.findall(r"`(\w+)`", cells[0])}
    assert said == {*Op}
    assert set(MOVES) <= said


def test_every_relation_is_listed():
    listed = {(cells[0].strip("| "), cells[1].strip("`")) for cells in rows("Of | Count | Which")}
    assert listed == {(str(subject), name) for subject, known in RELATIONS.items() for name in known}
