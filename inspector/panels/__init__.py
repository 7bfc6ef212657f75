"""One module per panel: what was read (`queries.Picture`) → what its template needs. No reading, no HTML."""
