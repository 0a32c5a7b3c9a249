"""What is driven: routes, weathers, traffic, and the suites that combine them."""
