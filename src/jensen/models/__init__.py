"""The models, one file each, grouped by family; `base` holds the contract that all of them keep."""
