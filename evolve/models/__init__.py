"""Language models: adapters of one small protocol (`evolve.messages.Model`), one per wire."""
