"""Charts: each has one function that gathers its numbers and one that draws them with Plotly."""
