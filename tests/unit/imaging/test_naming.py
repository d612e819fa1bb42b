"""Volume and position out of the file names that people use."""

from __future__ import annotations

import pytest

from maskloom.platform.errors import SettingsError
from maskloom.platform.imaging.checks import BadImage
from maskloom.platform.imaging.naming import name_pattern, read_name
from support.real_data import covid_semiseg

DEFAULT = name_pattern()


@pytest.mark.parametrize(
    ("path", "volume", "position"),
    [
        ("17.jpg", "17", 0),
        ("Data-1_coronacases_org_001_12.jpg", "Data-1_coronacases_org_001", 12),
        ("pneumonia-10_85902_1-dcm_5.jpg", "pneumonia-10_85902_1-dcm", 5),
        ("patient1/slice_012.png", "patient1", 12),
        ("patient1/IMG0012.PNG", "patient1", 12),
        ("patient1/12.png", "patient1", 12),
        ("siteA/patient1_012.png", "siteA/patient1", 12),
        ("siteA/patient1/axial/z-7.png", "siteA/patient1/axial", 7),
        ("scan-003.png", "scan", 3),
        ("scan v2 004.png", "scan v2", 4),
        ("Thorax.v2_9.png", "Thorax.v2", 9),
        ("chest.png", "chest", 0),
        ("1.2.840.113619_20200101123456789.png", "1.2.840.113619_20200101123456789", 0),
    ],
)
def test_default_pattern(path: str, volume: str, position: int) -> None:
    name = read_name(path, DEFAULT)
    assert (name.volume, name.position) == (volume, position)


def test_own_patterns() -> None:
    pattern = name_pattern(r"study/(?P<position>[0-9]+)-of-(?P<volume>\w+)")
    name = read_name("study/0031-of-Smith.png", pattern)
    assert (name.volume, name.position) == ("Smith", 31)
    with pytest.raises(BadImage, match="does not fit the name pattern"):
        read_name("study/31.png", pattern)
    words = name_pattern(r"(?P<volume>\w+)-(?P<position>\w+)")
    with pytest.raises(BadImage, match="'first' in the name 'scan-first' is not a number"):
        read_name("scan-first.png", words)
    with pytest.raises(BadImage, match="not a number"):
        read_name("scan-12345678901234567890.png", words)


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("(?P<volume>.+", "not a regular expression"),
        ("(?P<volume>.+)", "lacks"),
        (r"(?P<position>\d+)", "lacks"),
    ],
)
def test_unusable_patterns_are_refused(pattern: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        name_pattern(pattern)


@pytest.mark.real_data
def test_the_real_slices_fall_into_twenty_volumes() -> None:
    folder = covid_semiseg()
    labelled = [read_name(path.name, DEFAULT) for path in (folder / "labelled" / "images").iterdir()]
    assert len({name.volume for name in labelled}) == len(labelled) == 50
    pool = [read_name(path.name, DEFAULT) for path in (folder / "unlabelled" / "images").iterdir()]
    assert len(set(pool)) == 1600
    assert len({name.volume for name in pool}) == 20
