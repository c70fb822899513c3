"""What each verb does, one module per noun. Nothing here knows whether a terminal or a notebook asked."""
