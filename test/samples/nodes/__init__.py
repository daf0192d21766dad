"""Programs that run atvio_node with a network that fails, waits or sees what a test wants: `-m samples.nodes.NAME`."""
