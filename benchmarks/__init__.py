"""One script a claim: `make bench NAME=load SIZE=100000`."""
