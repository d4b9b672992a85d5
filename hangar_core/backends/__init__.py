"""Where array bytes live. One module per permanent two-character format code; see docs/formats/."""
