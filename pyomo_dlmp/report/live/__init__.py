"""Charts of the page that answer to the reader: data and layout for plotly, which is inlined."""
