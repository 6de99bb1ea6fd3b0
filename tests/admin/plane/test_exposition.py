"""Expositions read and written by the line, beside what prometheus_client's own parser makes of them."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from admin.plane.exposition import read, text_of
from admin.plane.merging import Expositions


def _exposition(label: str, value: float) -> str:
    registry = CollectorRegistry()
    Gauge("level", "How high,\nand what \\ it is.", ["name"], registry=registry).labels(label).set(
        value
    )
    Counter("calls", "Calls.", ["name", "kind"], registry=registry).labels(label, "a").inc()
    Histogram("seconds", "", ["name"], registry=registry).labels(label).observe(0.3)
    return generate_latest(registry).decode()


@given(st.text(st.characters(exclude_categories=["Cs"])), st.floats())
def test_what_is_read_is_written_again(label: str, value: float) -> None:
    """No key's name and no number is changed on its way through the control plane."""
    text = _exposition(label, value)

    assert text_of(read(text)) == text


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_label_more(label: str) -> None:
    """A parser finds the process among the labels, beside those that were there, whatever these hold."""
    text = _exposition(label, 1)
    named = text_of(family.of_process("process", "worker-0") for family in read(text))
    before, after = (
        [(each.name, each.labels, each.value) for family in families for each in family.samples]
        for families in map(text_string_to_metric_families, (text, named))
    )

    assert after == [(name, {**of, "process": "worker-0"}, value) for name, of, value in before]


@pytest.mark.parametrize("text", ["x 1\n", "# TYPE x gauge\nx one\n", "# TYPE x\n", "<html>"])
def test_what_is_no_exposition(text: str) -> None:
    """A process that says something else counts as one that does not answer."""
    with pytest.raises(ValueError, match=r"."):
        read(text)

    assert b'keywright_process_up{process="w"} 0.0' in Expositions().merged({"w": text})


def test_thousands_of_series_are_read_quickly() -> None:
    """Reading and writing takes a small part of what the library's parser needs for reading alone."""
    line = 'calls_total{key_id="key_%d",key_name="robot",outcome="served"} 1.0\n'
    text = "# HELP calls_total Calls.\n# TYPE calls_total counter\n" + "".join(
        line % number for number in range(4000)
    )
    begun = time.process_time()
    assert text_of(read(text)) == text
    ours = time.process_time() - begun
    assert list(text_string_to_metric_families(text))
    theirs = time.process_time() - begun - ours

    assert ours < theirs / 3
