"""What an answer speaks of: noun phrases, and their weights by the paper's multipartite word graph."""
