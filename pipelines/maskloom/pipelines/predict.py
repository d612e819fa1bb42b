"""Predict: masks for images that belong to no data set. Runs in this process; nothing enters the catalog."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from numpy.typing import NDArray

from maskloom.models.inference import Predictor
from maskloom.models.parameters import PredictionParameters
from maskloom.pipelines import recipes
from maskloom.pipelines.export.run_folder import write_below
from maskloom.pipelines.jobs import WorkerSettings
from maskloom.pipelines.out_folder import write_file, writing
from maskloom.pipelines.steps.train import Trained
from maskloom.pipelines.stopping import Stop
from maskloom.pipelines.workers.labeller import ahead, scores_of, soft_masks
from maskloom.pipelines.workers.place import HeldNetwork, prepare, stacked
from maskloom.platform.bootstrap import Platform
from maskloom.platform.errors import OutputUnwritable, SourceUnreadable
from maskloom.platform.imaging.checks import BadImage
from maskloom.platform.imaging.formats import encode_png, read_slice, resize, to_grey8
from maskloom.platform.imaging.masks import binary
from maskloom.platform.objects.sources import Source, visible
from maskloom.platform.run_facts import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What became of one image.

    `mask` and `soft` are its files below the output folder; `problem` says why it has none. `area` is the
    share of the image that is lesion (0..1), `peak` the largest probability, `uncertainty` 0 (sure) .. 1.
    """

    image: str
    mask: str | None = None
    soft: str | None = None
    area: float | None = None
    peak: float | None = None
    uncertainty: float | None = None
    problem: str | None = None


def predict(
    platform: Platform,
    run: Run,
    model: Trained,
    images: Source,
    out: Path,
    *,
    on_progress: Callable[[int, int], None],
    stop: Stop,
) -> list[Prediction]:
    """Write `masks/NAME.png` (0 and 255), `soft/NAME.png` (probability x 255) and `predictions.csv`.

    A bad image is set aside with its reason and never stops the rest. `on_progress(done, total)` is called
    after each batch. Raises OutputUnwritable when `out` cannot be written.
    """
    recipe = recipes.RECIPE.validate_python(run.recipe)
    device = prepare(WorkerSettings(objects_url=platform.objects.url, threads=torch.get_num_threads()))
    held = HeldNetwork.blank(recipe.network)
    held.take(model.digest, platform.objects)
    predictor = Predictor(held.network, recipe.prediction, device)
    names = visible(images.names())
    targets = _targets(names)
    size = recipe.prediction.batch_size
    batches = [names[start : start + size] for start in range(0, len(names), size)]
    predictions: list[Prediction] = []
    with writing(out):
        _check_ours(out)
        for batch in ahead(lambda part: [_read(images, name, targets[name]) for name in part], batches, 1):
            stop.check()
            predictions += [image for image in batch if isinstance(image, Prediction)]
            good = [image for image in batch if isinstance(image, _Image)]
            predictions += _draw(good, predictor, recipe.prediction, out)
            on_progress(len(predictions), len(names))
        predictions.sort(key=lambda prediction: prediction.image)
        _write_table(out / "predictions.csv", predictions)
    return predictions


def _check_ours(out: Path) -> None:
    """Refuse a folder whose masks may be an expert's own: they stand in a `masks/` as well, but beside no `soft/`."""
    if (out / "masks").exists() and not (out / "soft").exists():
        raise OutputUnwritable(
            f"{out / 'masks'} is there, and not from an earlier `maskloom predict`",
            hint="Give --out a folder of its own: masks of the same names would be overwritten.",
        )
    (out / "soft").mkdir(parents=True, exist_ok=True)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Image:
    """An image that could be read, (H, W), and the file below `masks` and `soft` that its mask becomes."""

    name: str
    target: str
    pixels: NDArray[np.uint8]


def _targets(names: Sequence[str]) -> dict[str, str]:
    """The output file of each image: its name with .png, behind its own ending where two would meet."""
    stems = {name: PurePosixPath(name).with_suffix("").as_posix() for name in names}
    uses = Counter(stems.values())
    return {name: f"{stem if uses[stem] == 1 else name}.png" for name, stem in stems.items()}


def _read(images: Source, name: str, target: str) -> _Image | Prediction:
    if ".." in PurePosixPath(name).parts or name.startswith("/"):
        return Prediction(image=name, problem="Its name leads out of the output folder: rename the object.")
    try:
        decoded = read_slice(images.read(name), name)
    except (BadImage, SourceUnreadable) as error:
        return Prediction(image=name, problem=str(error))
    return _Image(name=name, target=target, pixels=to_grey8(decoded.pixels))


def _draw(
    images: Sequence[_Image], predictor: Predictor, parameters: PredictionParameters, out: Path
) -> list[Prediction]:
    if not images:
        return []
    inputs = [resize(image.pixels, parameters.size, parameters.size) for image in images]
    maps = predictor.probabilities(stacked(inputs))
    softs = soft_masks(maps, [image.pixels.shape for image in images], stretch=parameters.stretch)
    predictions = []
    for image, soft, scores in zip(images, softs, scores_of(softs, maps), strict=True):
        mask_file, soft_file = f"masks/{image.target}", f"soft/{image.target}"
        write_below(out, mask_file, encode_png(binary(soft)))
        write_below(out, soft_file, encode_png(soft))
        predictions.append(
            Prediction(
                image=image.name,
                mask=mask_file,
                soft=soft_file,
                area=scores["area"],
                peak=scores["peak"],
                uncertainty=scores["uncertainty"],
            )
        )
    return predictions


def _write_table(path: Path, predictions: Sequence[Prediction]) -> None:
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, [field.name for field in fields(Prediction)])
    table.writeheader()
    table.writerows(asdict(prediction) for prediction in predictions)
    # Bytes of a name that are not UTF-8 come as lone surrogates.
    write_file(path, text.getvalue().encode("utf-8", "backslashreplace"))
