"""The command line of a DDoS mitigation portal: `portalctl --help`."""
