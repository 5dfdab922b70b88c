"""English text taken apart: words, parts of speech, singular forms, how alike words are; plain rules, spaCy or NLTK."""
