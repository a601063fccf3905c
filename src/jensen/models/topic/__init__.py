"""Topic models: documents as counts of words, a mixture of topics in each."""
