"""What an exported package is made of: these files are copied into it as they are."""
