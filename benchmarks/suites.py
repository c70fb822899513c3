"""What is measured: a script that does nothing, and real models."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.bare import DaskMap, Loop, PoolMap, Pools, Work
from benchmarks.product import Product, Service

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.bare import Contender

_ROWS_PER_FILE = 2500
_MAX_ITER = 100
# What MLflow's loader asks about in a model of this kind; it was trained a moment ago, here.
_TREES = "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"

Say = Callable[[str], None]


@dataclass(kw_only=True, slots=True)
class Result:
    """What one suite found.

    Attributes
    ----------
    times
        Seconds of each repetition by contender; the product's are the first.
    waits
        Seconds that the product's caller waited.
    """

    title: str
    items: int
    unit: str
    times: dict[str, list[float]] = field(default_factory=dict)
    waits: list[float] = field(default_factory=list)

    def ratio(self, name: str) -> float:
        """Return how many times as long as the product it took: the median over the repetitions."""
        product = next(iter(self.times.values()))
        return statistics.median(t / p for t, p in zip(self.times[name], product, strict=True))


def noop(folder: Path, service: Service, pools: Pools, *, count: int, repetitions: int, say: Say) -> Result:
    """Measure mini-batches that do nothing."""
    files = _empty_files(folder / f"noop-{count}", count)
    work = Work("noop", files, folder / "noop.csv")
    if not service.client.batch_endpoints.list():
        service.deploy("noop", script="noop")
    contenders: list[Contender] = [
        Product(service, "noop"),
        DaskMap(pools.client),
        PoolMap(pools.pool, 1),
        PoolMap(pools.pool, 32),
    ]
    found = Result(title=f"{count:,} mini-batches that do nothing", items=count, unit="mini-batch")
    return _alternate(found, contenders, work, repetitions, say)


def models(
    folder: Path, service: Service, pools: Pools, *, count: int, repetitions: int, say: Say
) -> list[Result]:
    """Measure MLflow models on CSV files."""
    data = folder / "tables"
    files = _tables(data, count)
    results = []
    for name, title, estimator in _estimators():
        path = _save(folder / name / "model", estimator)
        service.deploy(name, script="model", model=path)
        service.deploy(f"{name}-plain", script=None, model=path)
        work = Work("model", files, folder / f"{name}.csv", model_dir=path.parent)
        contenders: list[Contender] = [
            Product(service, name),
            Product(service, f"{name}-plain", "batchmagic, MLflow without script"),
            DaskMap(pools.client),
            PoolMap(pools.pool, 1),
            Loop(pools.one),
        ]
        found = Result(
            title=f"{title}, {count} CSV files of {_ROWS_PER_FILE:,} rows", items=count, unit="file"
        )
        results.append(_alternate(found, contenders, work, repetitions, say))
    return results


def _alternate(
    found: Result, contenders: Sequence[Contender], work: Work, repetitions: int, say: Say
) -> Result:
    """Run the contenders in turn, after a turn that counts for nothing and warms all up."""
    for contender in contenders:
        contender.run(work if isinstance(contender, Product) else _beginning(work))
        found.times[contender.name] = []
    for number in range(repetitions):
        for contender in contenders:
            seconds = contender.run(work)
            found.times[contender.name].append(seconds)
            say(f"  {number + 1}/{repetitions}  {contender.name:<36} {seconds:8.2f} s")
    product = contenders[0]
    if isinstance(product, Product):
        found.waits = product.waits[1:]
    return found


def _beginning(work: Work) -> Work:
    return Work(work.name, work.files[:64], work.output, work.model_dir)


def _empty_files(folder: Path, count: int) -> list[str]:
    folder.mkdir()
    paths = [str(folder / f"{number:06d}") for number in range(count)]
    for path in paths:
        Path(path).touch()
    return paths


def _tables(folder: Path, count: int) -> list[str]:
    """Write a data set that comes with scikit-learn, made larger by drawing rows again and again."""
    from sklearn.datasets import load_breast_cancer  # noqa: PLC0415 - slow

    folder.mkdir()
    data = load_breast_cancer(as_frame=True).data
    paths = []
    for number in range(count):
        path = folder / f"part-{number:04d}.csv"
        data.sample(_ROWS_PER_FILE, replace=True, random_state=number).to_csv(path, index=False)
        paths.append(str(path))
    return paths


def _estimators() -> list[tuple[str, str, Any]]:
    from sklearn.ensemble import HistGradientBoostingClassifier  # noqa: PLC0415 - slow
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415

    trees = HistGradientBoostingClassifier(max_iter=_MAX_ITER, early_stopping=False, random_state=0)
    return [
        ("trees", "Gradient-boosted trees", make_pipeline(StandardScaler(), trees)),
        ("linear", "Logistic regression", make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))),
    ]


def _save(folder: Path, estimator: Any) -> Path:
    import mlflow.sklearn  # noqa: PLC0415 - slow
    from mlflow.models import infer_signature  # noqa: PLC0415
    from sklearn.datasets import load_breast_cancer  # noqa: PLC0415

    data, target = load_breast_cancer(return_X_y=True, as_frame=True)
    estimator.fit(data, target)
    folder.parent.mkdir()
    mlflow.sklearn.save_model(
        estimator,
        folder,
        signature=infer_signature(data, estimator.predict(data[:5])),
        pip_requirements=["mlflow", "scikit-learn"],
        skops_trusted_types=[_TREES],
    )
    return folder
