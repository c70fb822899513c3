"""What each verb does, one module per noun."""
