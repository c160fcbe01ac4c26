"""The pure halves of the operators without a model: edits of syntax trees, `(tree, rng) -> tree`."""
