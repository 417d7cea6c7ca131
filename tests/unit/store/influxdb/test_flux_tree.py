"""Names and values are nodes of Flux's syntax tree: none of them is ever parsed."""

from datetime import UTC, datetime

import pytest

from pratique.store.influxdb.flux_tree import Predicate, assignment


@pytest.mark.parametrize(
    ("value", "node"),
    [
        ('"} or true', {"type": "StringLiteral", "value": '"} or true'}),
        (5, {"type": "IntegerLiteral", "value": "5"}),
        (datetime(2026, 1, 1, tzinfo=UTC), {"type": "DateTimeLiteral", "value": "2026-01-01T00:00:00+00:00"}),
    ],
)
def test_a_value_is_a_literal(value, node):
    assert assignment("x", value) == {
        "type": "VariableAssignment",
        "id": {"type": "Identifier", "name": "x"},
        "init": node,
    }


def evaluated(node, row):
    """What a condition says of a row."""
    kind = node["type"]
    if kind == "LogicalExpression":
        left, right = evaluated(node["left"], row), evaluated(node["right"], row)
        return (left and right) if node["operator"] == "and" else (left or right)
    assert (kind, node["operator"], node["left"]["object"]["name"]) == ("BinaryExpression", "==", "r")
    return row.get(node["left"]["property"]["value"]) == node["right"]["value"]


def test_a_predicate_is_a_function_of_a_row():
    function = assignment("wanted", Predicate({"_field": ["a", "b"], 'sv "': ["r1"], "left out": []}))["init"]
    assert function["type"] == "FunctionExpression"
    for row, is_wanted in (
        ({"_field": "a", 'sv "': "r1"}, True),
        ({"_field": "b", 'sv "': "r1"}, True),
        ({"_field": "c", 'sv "': "r1"}, False),
        ({"_field": "a", 'sv "': "r2"}, False),
        ({"_field": "a"}, False),
    ):
        assert evaluated(function["body"], row) == is_wanted
