"""Check the installation, the machine and the project's files."""
