"""Topic models, in the order in which they are listed."""

from jensen.registry.line import Entry

ENTRIES = (
    Entry(
        "lda",
        "latent Dirichlet allocation: every document mixes the same topics",
        "bounded",
        "topic",
        "Blei, Ng & Jordan (2003)",
        "jensen.models.topic.lda:build",
        "jensen.presets.lda:PRESETS",
        objective="variational Bayes or Gibbs, all at once",
        prior="Dirichlet",
        kl="closed",
        samples="proportions, then words",
    ),
)
