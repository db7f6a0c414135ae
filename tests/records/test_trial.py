"""What a trial's record says of its failure."""

import pytest

from search.records.trial import failure_line

PYTHON = """Traceback (most recent call last):
  File "net.py", line 7, in build
    raise ValueError("no")
KeyError: 'first'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "net.py", line 9, in build
    model.add(layer)
ValueError: Input 0 of layer "dense" is incompatible with the layer

Arguments received by Dense.call():
  • kwargs=<class 'inspect._empty'>
"""

GRAPH = """InvalidArgumentError: Graph execution error:

Detected at node loss/Sparse defined at (most recent call last):
  File "net.py", line 3, in <module>

Received a label value of 12 which is outside the valid range of [0, 10).
\t [[{{node loss/Sparse}}]] [Op:__inference_7]"""

LENGTHS = """ValueError: Data cardinality is ambiguous. All arrays need as many samples. 'x' sizes: 160
'y' sizes: 155
"""


@pytest.mark.parametrize(
    ("message", "line"),
    [
        (None, ""),
        ("diverged in epoch 2: loss is nan", "diverged in epoch 2: loss is nan"),
        (
            PYTHON,
            'ValueError: Input 0 of layer "dense" is incompatible with the layer',
        ),
        (
            GRAPH,
            "InvalidArgumentError: Received a label value of 12 which is outside the valid range of "
            "[0, 10).",
        ),
        (
            LENGTHS,
            "ValueError: Data cardinality is ambiguous. All arrays need as many samples. 'x' sizes: "
            "160 'y' sizes: 155",
        ),
        ("Traceback (most recent call last):", "Traceback (most recent call last):"),
    ],
)
def test_a_failure_is_one_line_with_its_cause(message, line):
    assert failure_line(message) == line
