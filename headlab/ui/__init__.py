"""The only place, besides the pages, that imports streamlit."""
