"""What every implementation of the mesh's interfaces must pass, and documents to try it with.

A bus or a store is tested by subclassing its contract, saying how it is opened::

    class TestMyBus(BusContract):
        opener = "my_package.my_bus:open_bus"
"""
