"""What happens before anybody is served: compiling and warming up the kernels."""
