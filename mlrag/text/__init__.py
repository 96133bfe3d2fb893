"""Pure functions over text and a language pack: normalise, tokenise, split, detect."""
