"""The store on Cassandra. Only these modules know the driver."""
