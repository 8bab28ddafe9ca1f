"""The guarded network: which addresses and URLs may be asked, how they are fetched, and who has opted out."""
