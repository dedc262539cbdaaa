"""Photos: listing, decoding and uploading."""
