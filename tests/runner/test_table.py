"""The metrics file: columns, nulls, exact round trips, dropped rows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from jaxrl_suite.runner.errors import RunError
from jaxrl_suite.runner.table import MetricTable

NAMES, SEEDS = ("b", "a", "eval/x"), (3, 4)


@settings(max_examples=40, deadline=None)
@given(
    hnp.arrays(np.float32, (5, 2, 3), elements=st.floats(width=32)),
    hnp.arrays(np.bool_, (5, 2, 3)),
    st.integers(0, 6),
)
def test_round_trip(tmp_path_factory, values, missing, keep):
    path = tmp_path_factory.mktemp("table") / "metrics.parquet"
    table = MetricTable(NAMES, SEEDS)
    for line in range(5):
        columns = {
            name: np.ma.array(values[line, :, i], mask=missing[line, :, i])
            for i, name in enumerate(NAMES)
        }
        table.append(10 * (line + 1), 0.5 * line, columns)
    table.write(path)
    stored = pq.read_table(path)
    assert stored.column_names == ["seed", "env_steps", "wall_s", *NAMES]
    assert stored["seed"].to_pylist() == [3, 4] * 5
    assert stored["env_steps"].to_pylist() == [s for s in range(10, 60, 10) for _ in SEEDS]
    for i, name in enumerate(NAMES):
        assert stored[name].type == pa.float32()
        flat, gone = values[:, :, i].reshape(-1), missing[:, :, i].reshape(-1)
        found = stored[name].to_pylist()
        assert [x is None for x in found] == list(gone)
        kept = np.array([x for x in found if x is not None], np.float32)
        np.testing.assert_array_equal(kept.view(np.uint32), flat[~gone].view(np.uint32))
    again = MetricTable.read(path, NAMES, SEEDS, 10 * keep)
    assert len(again) == min(keep, 5)
    assert again.arrow().schema == stored.schema
    again.write(path)
    rows = pq.read_table(path)
    for name in rows.column_names:
        a, b = rows[name].combine_chunks(), stored[name].slice(0, rows.num_rows).combine_chunks()
        assert a.is_null().equals(b.is_null())
        a, b = (x.fill_null(0).to_numpy(zero_copy_only=False) for x in (a, b))
        assert a.tobytes() == b.tobytes()
    assert [p.name for p in path.parent.iterdir()] == ["metrics.parquet"]


def test_latest_is_the_newest_value_of_each_metric():
    table = MetricTable(NAMES, SEEDS)
    table.append(1, 0.0, {"a": np.array([1.0, 3.0]), "b": np.array([5.0, 5.0])})
    table.append(2, 0.0, {"a": np.ma.array([7.0, 9.0], mask=[True, False])})
    assert table.latest() == {"a": 9.0, "b": 5.0}
    table.amend({"eval/x": np.array([1.0, 2.0])})
    assert table.latest()["eval/x"] == 1.5


def test_other_seeds_are_refused(tmp_path):
    path = tmp_path / "metrics.parquet"
    table = MetricTable(NAMES, SEEDS)
    table.append(1, 0.0, {})
    table.write(path)
    with pytest.raises(RunError, match="other seeds"):
        MetricTable.read(path, NAMES, (0, 1), 10)


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "metrics.parquet"
    table = MetricTable(NAMES, SEEDS)
    table.append(1, 0.0, {})
    table.write(path)
    before = path.read_bytes()
    (tmp_path / ".metrics.parquet.partial").mkdir()  # in the way of the new file
    with pytest.raises(OSError):
        table.write(path)
    assert path.read_bytes() == before
