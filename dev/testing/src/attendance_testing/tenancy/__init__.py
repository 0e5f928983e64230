"""Everything that writes, tried on what is one's own, another site's, another organisation's and nobody's."""
