"""Recording episodes, reporting on recordings, playing them back."""
