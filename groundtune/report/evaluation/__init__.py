"""What evaluations show: figures of one or several models, published rows beside them, examples, identity."""
