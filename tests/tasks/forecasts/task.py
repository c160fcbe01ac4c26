"""Series with a trend, a season and some noise; their next values are hidden."""

import numpy as np

from evolve.task import Grade, Instance, Invalid, rng


def instances(split, settings, block=0):
    sizes = {"probe": 2, "train": settings.series, "valid": 2 * settings.series, "test": 8}
    for i in range(sizes[split]):
        generator = rng("forecasts", split, block, i)
        time = np.arange(settings.length + settings.horizon)
        season = np.sin(2 * np.pi * time / generator.uniform(5, 12)) * generator.uniform(0, 2)
        noise = 0.3 * generator.normal(size=len(time))
        values = generator.normal() + time * generator.normal() / 20 + season + noise
        yield Instance(
            f"{split}-{block}-{i}",
            public={"series": values[: settings.length], "horizon": settings.horizon},
            private={"next": values[settings.length :]},
        )


def grade(instance, output):
    series, future = instance.public["series"], instance.private["next"]
    try:
        values = np.asarray(output, dtype=np.float64)
    except (TypeError, ValueError):
        raise Invalid("give one number per value") from None
    if values.shape != future.shape or not np.isfinite(values).all():
        raise Invalid(f"give {len(future)} finite numbers")
    scatter = float(series.std())
    away = values - series[-1]
    return Grade(
        score=-float(np.sqrt(np.mean((values - future) ** 2))) / scatter,
        measures={
            "reach": float(np.abs(away).mean()) / scatter,
            "bend": float(np.tanh(away.mean() / scatter)),
        },
    )
