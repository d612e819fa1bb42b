from __future__ import annotations

from pathlib import Path

import pytest

from maskloom.platform.processor import multiplies_bf16


@pytest.mark.parametrize(
    ("line", "quick"),
    [
        ("flags\t\t: fpu avx2 avx512f avx512_bf16 amx_tile", True),
        ("flags\t\t: fpu avx2 amx_bf16", True),
        ("Features\t: fp asimd bf16 i8mm", True),
        ("flags\t\t: fpu sse4_2 avx avx2 avx512f", False),
        ("Features\t: fp asimd sve", False),
    ],
)
def test_a_processor_with_instructions_for_bfloat16_is_known_by_its_flags(
    tmp_path: Path, line: str, quick: bool
) -> None:
    told = tmp_path / "cpuinfo"
    told.write_text(f"processor\t: 0\nbugs\t: bf16 amx_bf16\n{line}\n\nprocessor\t: 1\n{line}\n")
    assert multiplies_bf16(told) is quick


def test_one_that_tells_nothing_is_taken_for_one_without(tmp_path: Path) -> None:
    assert not multiplies_bf16(tmp_path / "none")
    (tmp_path / "empty").touch()
    assert not multiplies_bf16(tmp_path / "empty")
