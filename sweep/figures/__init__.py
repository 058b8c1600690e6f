"""Charts: for each, one function gathers its numbers and another draws them with Plotly."""
