"""Small charts as inline SVG. Colours are classes that the page's style sheet resolves, so both schemes work."""
