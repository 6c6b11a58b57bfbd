"""The zoo: small networks of the usual families, and what one would quantize them with instead."""
