"""Delivery: hands what T3 intends to its outlet, and keeps the receipt."""
