"""The subcommands of `cim` that belong to the city; tiling, api and sample_data bring their own."""
