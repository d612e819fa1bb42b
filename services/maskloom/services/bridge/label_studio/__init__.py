"""Label Studio as the tool in which readers work: its server, and the port `bridge.tool` on its HTTP interface."""
