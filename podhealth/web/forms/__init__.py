"""What comes from forms, as plain objects: parsing and validation, no storing."""
