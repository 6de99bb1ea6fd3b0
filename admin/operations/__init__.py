"""One act for each endpoint, from what is asked to the document that answers it; the API and the commands call these.

What services know and what documents say meet here, and nowhere else.
"""
