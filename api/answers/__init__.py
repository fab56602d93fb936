"""What several endpoints make their answers with: cards, legends, ETags."""
