"""The only place that picks implementations and joins the rooms (style: composition root)."""
