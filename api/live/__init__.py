"""What devices say, sent on as it comes: subscriptions, readers, and one ear at the database."""
