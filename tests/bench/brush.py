"""What the brush codec costs on the masks of COVID-SemiSeg at 512 x 512, against the converter of Label Studio's own SDK."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
from label_studio_sdk.converter import brush as sdk

from bench.data import REAL
from maskloom.services.bridge.brush import decode, encode
from support.painted import Grey

SIZE = 512
_REPEATS = 7


def measure() -> dict[str, float]:
    """Milliseconds a mask, the best of some repeats, and the mean length of a code in bytes. Raises where two codes differ."""
    masks = real_masks()
    codes = [encode(mask) for mask in masks]
    for mask, code in zip(masks, codes, strict=True):
        assert code == sdk.mask2rle(mask)
        assert np.array_equal(decode(code, SIZE, SIZE), mask)
    return {
        "masks": len(masks),
        "bytes": float(np.mean([len(code) for code in codes])),
        "encode_ms": _milliseconds(encode, masks),
        "decode_ms": _milliseconds(lambda code: decode(code, SIZE, SIZE), codes),
        "sdk_encode_ms": _milliseconds(sdk.mask2rle, masks),
        "sdk_decode_ms": _milliseconds(sdk.decode_rle, codes),
    }


def real_masks() -> list[Grey]:
    """The expert masks, 0 and 255."""
    files = sorted((REAL / "labelled/masks").iterdir())
    drawn = [cv2.imread(str(file), cv2.IMREAD_GRAYSCALE) for file in files]
    sized = [cv2.resize(mask, (SIZE, SIZE), interpolation=cv2.INTER_NEAREST) for mask in drawn]
    return [np.where(mask >= 128, np.uint8(255), np.uint8(0)) for mask in sized]


def _milliseconds(function: Callable[[Any], object], items: Sequence[Any]) -> float:
    best = np.inf
    for _ in range(_REPEATS):
        began = time.perf_counter()
        for item in items:
            function(item)
        best = min(best, time.perf_counter() - began)
    return float(1000 * best / len(items))
