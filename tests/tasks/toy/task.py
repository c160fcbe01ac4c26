"""Weights that should follow a hidden direction: numpy only, graded in milliseconds."""

import hashlib
import time

import numpy as np

from evolve.task import Grade, Instance, Invalid, rng

FEATURES = 5


def instances(split, settings, block=0):
    sizes = {
        "probe": settings.probes,
        "train": settings.pools,
        "valid": 2 * settings.pools,
        "test": 16,
    }
    for i in range(sizes[split]):
        generator = rng("toy", split, block, i)
        features = generator.normal(size=(settings.items + i, FEATURES))
        # Test problems lean on other features than train problems do.
        hidden = np.array([1.0, -0.7, 0.4, 0.0, 0.2 if split != "test" else 0.5])
        target = features @ hidden + 0.3 * np.sin(3 * features[:, 3])
        yield Instance(
            f"{split}-{block}-{i}",
            public={"features": features, "k": settings.items // 4},
            private={"target": target, "noise": settings.noise, "seconds": settings.grade_ms / 1e3},
            groups={"size": "even" if i % 2 == 0 else "odd"},
        )


def grade(instance, output):
    target = instance.private["target"]
    try:
        weights = np.asarray(output, dtype=np.float64)
    except (TypeError, ValueError):
        raise Invalid("give one number per item") from None
    if weights.shape != target.shape:
        raise Invalid(f"one weight per item: shape {weights.shape}, not {target.shape}")
    if not np.isfinite(weights).all():
        raise Invalid("weights must be finite")
    time.sleep(instance.private["seconds"])
    scale = np.abs(weights).max() or 1.0
    weights = weights / scale
    error = np.sqrt(np.mean((weights - target / np.abs(target).max()) ** 2))
    half = len(weights) // 2
    lean = np.abs(weights[:half]).sum() - np.abs(weights[half:]).sum()
    return Grade(
        score=-float(error) + _noise(instance, weights),
        measures={
            "spread": float(weights.std()) * 2,
            "lean": float(lean / (np.abs(weights).sum() or 1.0)),
        },
        feedback=f"root mean squared error {error:.4f}",
    )


def _noise(instance, weights):
    """Luck that belongs to the outputs: the same outputs are as lucky again."""
    if instance.private["noise"] == 0.0:
        return 0.0
    digest = hashlib.blake2b(instance.name.encode() + np.round(weights, 9).tobytes(), digest_size=8)
    generator = np.random.default_rng(int.from_bytes(digest.digest(), "big"))
    return float(generator.normal() * instance.private["noise"])
