"""What is made of a tileset for others: an explicit tree, archives, object stores."""
